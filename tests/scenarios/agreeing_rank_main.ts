/**
 * A rank process that compiles its class, comes to an agreement with the others, so many times, and ends: what it came to is written to
 * `rank.R.json` in the folder that its second argument names. The first, JSON, says of each time which rank is unlike the others, and how. The
 * last disagreement ends the job; one before it is only noted.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { defineDiagnostic } from '../../src/ir/diagnostic.js';
import { rankFromEnvironment } from '../../src/launch/environment.js';
import { amongOthers } from '../../src/launch/meeting.js';
import { StopNote } from '../../src/launch/stop_note.js';
import { arenaBytesOf } from '../../src/memory/share_arena.js';
import { GPT } from '../../src/nn/models/index.js';
import { ops } from '../../src/ops/index.js';
import { adamw } from '../../src/optim/index.js';
import { describeModel } from '../../src/plan/describe_model.js';
import { planOfSizes } from '../../src/plan/parallel_sizes.js';
import type { Peers } from '../../src/run/peers.js';
import type { Program } from '../../src/program/program.js';
import { instructionsOf } from '../../src/program/unroll.js';
import { agreeOnPrograms } from '../../src/train/agree_on_programs.js';
import { compileRun, type RunPrograms } from '../../src/train/compile_run.js';

/** wait: its class lacks a wait. graphs: it has another optimizer. fails, dies: while it compiles. */
export interface Unlike {
  readonly ranks: readonly number[];
  readonly how: 'wait' | 'graphs' | 'fails' | 'dies';
}

const compilerFails = defineDiagnostic('test/compiler-fails', () => ({ what: 'it does not compile', fix: 'none' }));

const [asked, folder] = process.argv.slice(2);
const rounds = JSON.parse(asked) as readonly Unlike[];
const environment = rankFromEnvironment()!;
const { rank, worldSize } = environment;

function compiled(how: Unlike['how'] | null): RunPrograms {
  const model = new GPT({ layers: 1, dim: 8, heads: 2, context: 4, vocab: 7 });
  const sizes = { pipeline_parallel_size: 2, data_parallel_size: worldSize / 2 };
  const batch = { sequences: 4, microbatch: 1 };
  const plan = planOfSizes(sizes, worldSize, describeModel(model), batch, { compute: 'f32', master: 'f32' });
  const optimizer = adamw({ lr: 1e-3, weight_decay: how === 'graphs' ? 0.2 : 0.1 });
  return compileRun({ model, optimizer, plan, registry: ops, target: 'cpu', rank });
}

function withoutWait<P extends Program>(program: P): P {
  const classes = program.classes.map((one) => ({
    ...one,
    templates: one.templates.map((template) => {
      const body = instructionsOf(template);
      const wait = body.findIndex(({ kind, lane }) => kind === 'wait' && lane === 'compute');
      return { ...template, body: body.filter((_, i) => i !== wait) };
    }),
  }));
  return { ...program, classes };
}

const tell = () => {};
const stop = new StopNote({ leave: () => process.exit(1), patient: true });
const said: string[] = [];
const cameTo = (text: string) => {
  said.push(text);
  writeFileSync(path.join(folder, `rank.${rank}.json`), JSON.stringify(said));
};

async function agree(unlike: Unlike, peers: Peers): Promise<string> {
  const how = unlike.ranks.includes(rank) ? unlike.how : null;
  if (how === 'dies') process.kill(process.pid, 'SIGKILL');
  if (how === 'fails') throw compilerFails({});
  const made = compiled(how);
  const { training, validation } = made;
  const programs =
    how === 'wait' ? { ...made, training: { ...training, program: withoutWait(training.program) } } : made;
  const arenaBytes = arenaBytesOf([training.program, validation.program]);
  return `agreed on ${await agreeOnPrograms({ peers, programs, target: 'cpu', arenaBytes })}`;
}

/** The same processes, who say what they say under names of its own. */
const under = (name: string, { rank, processes, set, get, add }: Peers): Peers => ({
  rank,
  processes,
  set: (key, text) => set(`${name}/${key}`, text),
  get: (key) => get(`${name}/${key}`),
  add: (key, amount) => add(`${name}/${key}`, amount),
});

try {
  await amongOthers({ environment, tell, stop }, async (meeting) => {
    for (const [i, unlike] of rounds.entries()) {
      const agreed = agree(unlike, under(`${i}`, meeting!.peers));
      cameTo(await (i === rounds.length - 1 ? agreed : agreed.catch((error: Error) => error.message)));
    }
  });
  process.exit(0);
} catch (error) {
  cameTo((error as Error).message);
  process.exit(1);
}
