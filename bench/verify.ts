/**
 * How long the verifier takes on programs of a large model's size: a stage of 12 layers (GPT-3 has 96, over 8 stages) on data 2 × tensor 8,
 * with 96 microbatches of one forward and one backward each. Widths are small: the verifier looks at bytes by the run, not by the byte.
 */
import { DEFAULT_ALIGNMENT, alignUp } from '../src/program/memory/index.js';
import type { Program, RankClass, ScheduleStep } from '../src/program/program.js';
import { launchCount } from '../src/program/unroll.js';
import { verifyProgram } from '../src/program/verify/index.js';
import { bytesOf } from '../src/ir/type.js';
import { GPT } from '../src/nn/models/index.js';
import { ops } from '../src/ops/index.js';
import { languageModel } from '../tests/scenarios/language_model.js';
import { buildScenario } from '../tests/scenarios/scenario.js';
import { median, printRow, type Row } from './rows.js';

export function runVerify({ layers = 12, microbatches = 96, rounds = 5 } = {}): readonly Row[] {
  const model = new GPT({ layers, dim: 16, heads: 8, context: 4, vocab: 16 });
  const { program: short } = buildScenario({
    ...languageModel(model, { microbatches: 1, batch: 2, sequence: 4 }),
    mesh: { data: 2, tensor: 8 },
    split: { batch: ['data'], heads: ['tensor'], vocab: ['tensor'], hidden: ['tensor'] },
    microbatches: 3,
    schedule: '1f1b',
    memory: { moves: 10, searchNodes: 0 },
  });
  const program: Program = {
    ...short,
    microbatches,
    classes: short.classes.map((rankClass) => lengthened(rankClass, microbatches)),
  };
  const faults = verifyProgram(program, ops);
  if (faults.length > 0) throw faults[0];
  const seconds = Array.from({ length: rounds }, () => {
    const began = performance.now();
    verifyProgram(program, ops);
    return (performance.now() - began) / 1000;
  });
  const launches = program.classes.reduce((n, rankClass) => n + launchCount(rankClass), 0);
  const ours = median(seconds);
  const row: Row = {
    name: `verify/stage of ${layers} layers, ${microbatches} microbatches`,
    unit: 'seconds',
    ours,
    peers: {},
    ratio: null,
    target: null,
    launches,
    launches_per_second: launches / ours,
  };
  printRow(row);
  return [row];
}

/** The second of three microbatches over and over: its text and addresses, and addresses of its own for its data. */
function lengthened(rankClass: RankClass, microbatches: number): RankClass {
  const { values, schedule } = rankClass;
  let end = alignUp(rankClass.arenaBytes, DEFAULT_ALIGNMENT);
  const data = values.flatMap((value, i) => (value.lifetime === 'data' && !value.view ? [i] : []));
  const stepsOf = (text: number, microbatch: number): ScheduleStep[] => {
    const own = new Map(
      data.map((index) => {
        const at = end;
        end = alignUp(end + bytesOf(values[index].type), DEFAULT_ALIGNMENT);
        return [index, at] as const;
      }),
    );
    return schedule
      .filter((step) => step.microbatch === text)
      .map(({ template, offsets }) => ({
        template,
        microbatch,
        offsets: Object.fromEntries(
          Object.entries(offsets).map(([index, offset]) => [index, own.get(Number(index)) ?? offset]),
        ),
      }));
  };
  const steps = Array.from({ length: microbatches }, (_, m) =>
    stepsOf(m === 0 ? 0 : m === microbatches - 1 ? 2 : 1, m),
  ).flat();
  return { ...rankClass, schedule: steps, arenaBytes: end };
}
