/** Ranks that each compile their own class come to one answer, that of the whole programs, whoever is at fault. */
import { expect, test } from 'vitest';
import { DiagnosticError } from '../ir/diagnostic.js';
import { GPT } from '../nn/models/gpt/gpt.js';
import { ops } from '../ops/index.js';
import { adamw } from '../optim/index.js';
import { describeModel } from '../plan/describe_model.js';
import { planOfSizes, type ParallelSizes } from '../plan/parallel_sizes.js';
import type { Instruction, Program, RankClass } from '../program/program.js';
import { instructionsOf } from '../program/unroll.js';
import { sharedStore } from '../run/testing/shared_store.js';
import { arenaBytesOf } from '../memory/share_arena.js';
import { verifyProgram } from '../verify/index.js';
import { agreeOnPrograms } from './agree_on_programs.js';
import { compileRun, programHash, type RunPrograms } from './compile_run.js';

const model = new GPT({ layers: 2, dim: 8, heads: 2, context: 4, vocab: 7 });
const batch = { sequences: 4, microbatch: 1 };

const compiled = new Map<string, RunPrograms>();

/** Of 4 ranks, for one of them or for all. */
function programsOf(sizes: ParallelSizes, rank: number | null, weightDecay = 0.1): RunPrograms {
  const key = JSON.stringify([sizes, rank, weightDecay]);
  const known = compiled.get(key);
  if (known) return known;
  const plan = planOfSizes(sizes, 4, describeModel(model), batch, { compute: 'f32', master: 'f32' });
  const optimizer = adamw({ lr: 1e-3, weight_decay: weightDecay });
  const made = compileRun({ model, optimizer, plan, registry: ops, target: 'reference', rank });
  compiled.set(key, made);
  return made;
}

/** What each of the ranks comes to: the bytes that all are told, or its error. */
function agreed(programs: readonly RunPrograms[]): Promise<readonly (number | DiagnosticError)[]> {
  const stores = sharedStore(programs.length, () => Promise.resolve());
  return Promise.all(
    programs.map((one, rank) => {
      const arenaBytes = arenaBytesOf([one.training.program, one.validation.program]);
      return agreeOnPrograms({ peers: stores[rank], programs: one, target: 'reference', arenaBytes }).catch(
        (error: unknown) => {
          if (error instanceof DiagnosticError) return error;
          throw error;
        },
      );
    }),
  );
}

const messages = (found: readonly (number | DiagnosticError)[]) =>
  found.map((one) => (typeof one === 'number' ? one : one.message));

/** A program without the first instruction that fits, of each of its classes. */
const without = (fits: (one: Instruction) => boolean, program: Program): Program => ({
  ...program,
  classes: program.classes.map((one): RankClass => {
    const place = one.templates.findIndex((template) => instructionsOf(template).some(fits));
    expect(place).toBeGreaterThanOrEqual(0);
    return {
      ...one,
      templates: one.templates.map((template, t) => {
        const body = instructionsOf(template);
        return t === place ? { ...template, body: body.filter((_, i) => i !== body.findIndex(fits)) } : template;
      }),
    };
  }),
});

const changed = (programs: RunPrograms, change: (program: Program) => Program): RunPrograms => ({
  ...programs,
  training: { ...programs.training, program: change(programs.training.program) as typeof programs.training.program },
});

const pipeline = { pipeline_parallel_size: 2, data_parallel_size: 2, zero_stage: 1 } as const;
const own = (sizes: ParallelSizes = pipeline) => Array.from({ length: 4 }, (_, rank) => programsOf(sizes, rank));

test.each([pipeline, { tensor_parallel_size: 2, data_parallel_size: 2, zero_stage: 3 }] as const)(
  'classes of %j: each rank has its own, as in the whole programs, and all are told the largest arena',
  async (sizes) => {
    const whole = programsOf(sizes, null);
    const parts = own(sizes);
    for (const name of ['training', 'validation'] as const) {
      const classes = parts.map((one) => {
        expect(one[name].program.classes).toHaveLength(1);
        return one[name].program.classes[0];
      });
      const { program } = whole[name];
      const distinct = program.classes.map((of) => classes.find((one) => one.name === of.name)!);
      expect(programHash({ ...program, classes: distinct })).toBe(programHash(program));
      expect(new Set(classes.map((one) => one.name)).size).toBe(program.classes.length);
    }
    const bytes = arenaBytesOf([whole.training.program, whole.validation.program]);
    expect(await agreed(parts)).toEqual([bytes, bytes, bytes, bytes]);
  },
);

test('a class with a fault of its own: every rank says what the verifier says of the whole', async () => {
  const parts = own();
  const broken = (program: Program) => without((one) => one.kind === 'wait' && one.lane === 'compute', program);
  for (const rank of [2, 3]) parts[rank] = changed(parts[rank], broken);
  const { program, placed } = programsOf(pipeline, null).training;
  const faulty = { ...program, classes: [program.classes[0], ...parts[2].training.program.classes] };
  const [first] = verifyProgram(faulty, placed, ops);
  expect(first.code).toMatch(/^program\/unordered/);
  expect(messages(await agreed(parts))).toEqual(Array.from({ length: 4 }, () => first.message));
});

test('classes that do not meet: so too', async () => {
  const parts = own();
  const swapped = (program: Program): Program => ({
    ...program,
    classes: program.classes.map((one) => ({ ...one, schedule: one.schedule.toReversed() })),
  });
  for (const rank of [0, 1]) parts[rank] = changed(parts[rank], swapped);
  const { program, placed } = programsOf(pipeline, null).training;
  const faulty = { ...program, classes: [...parts[0].training.program.classes, program.classes[1]] };
  const found = verifyProgram(faulty, placed, ops);
  expect(found.map(({ code }) => code)).toContain('program/channels-differ');
  expect(messages(await agreed(parts))).toEqual(Array.from({ length: 4 }, () => found[0].message));
});

test('a rank that is not the first of its class runs another text', async () => {
  const parts = own();
  parts[3] = changed(parts[3], (program) => without((one) => one.kind === 'signal', program));
  const [first, ...others] = messages(await agreed(parts));
  expect(first).toMatch(/ranks 3 and 2 compiled different programs \[train\/programs-differ\]/);
  expect(others).toEqual([first, first, first]);
});

test('a rank that has placed other graphs, all of its class or alone', async () => {
  for (const others of [[3], [2, 3]]) {
    const parts = own();
    for (const rank of others) parts[rank] = programsOf(pipeline, rank, 0.2);
    const [first, ...rest] = messages(await agreed(parts));
    expect(first).toMatch(/compiled different programs/);
    expect(rest).toEqual([first, first, first]);
  }
});

test('a statement that is none: torn, of another version, of a lying arena', async () => {
  const parts = own();
  for (const rank of [0, 3])
    for (const text of [
      '',
      '{"arenaBytes":1',
      '{"arenaBytes":1,"programs":[]}',
      '{"arenaBytes":1e308,"programs":[]}',
    ]) {
      const stores = sharedStore(4, () => Promise.resolve());
      const found = await Promise.all(
        parts.map((one, at) => {
          const peers = {
            ...stores[at],
            set: (key: string, value: string) => stores[at].set(key, key === `program/${rank}/0` ? text : value),
          };
          return agreeOnPrograms({ peers, programs: one, target: 'reference', arenaBytes: 1 }).catch(
            (error: unknown) => (error as Error).message,
          );
        }),
      );
      expect(found[0]).toMatch(/train\/programs-differ/);
      expect(found[0]).not.toMatch(/ranks (\d) and \1 /);
      expect(found.slice(1)).toEqual([found[0], found[0], found[0]]);
    }
});
