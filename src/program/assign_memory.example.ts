import { parseGraph } from '../ir/parse.js';
import { ops } from '../ops/index.js';
import { parsePlan, placeStep } from '../partition/example.js';
import type { PassExample } from '../passes/example.js';
import { assignMemory } from './assign_memory.js';
import { lowerAll } from './lower.example.js';
import { printProgram } from './print.js';
import { printMemory } from './print_memory.js';
import type { Program, RankClass } from './program.js';

export const assignMemoryExample: PassExample<Program, Program> = {
  pass: 'assign_memory',
  title: 'Four buffers in the bytes of two',
  about:
    'Each line is a buffer: where it begins, its bytes, and a column for each launch that finds it in use. The first launch alone reads ' +
    '`x`, so what the second makes takes its place, and the result takes the place of what the first made. Buffers that share bytes ' +
    'never share a column.',
  given: () =>
    withoutAddresses(
      lowerAll({ step: placeStep(parsePlan('mesh {}'), parseGraph(chain, ops)), update: null, slots: oneForward }),
    ),
  run: (program) => ({ ...program, classes: program.classes.map(place) }),
  before: (program) => [{ heading: 'Before', text: printProgram(program) }],
  after: printMemory,
};

const oneForward = [{ direction: 'forward', microbatch: 0 }] as const;

const chain = `
  func @chain(
    %x: data f32[dim=16]
  ) {
    %0 = exp(%x) : f32[dim=16]
    %1 = tanh(%0) : f32[dim=16]
    %2 = neg(%1) : f32[dim=16]
    return y=%2
  }`;

function withoutAddresses(program: Program): Program {
  const classes = program.classes.map((one) => {
    const schedule = one.schedule.map((step) => ({ ...step, offsets: {} }));
    return { ...one, schedule, arenaBytes: 0 };
  });
  return { ...program, classes };
}

function place(rankClass: RankClass): RankClass {
  const { values, templates, results } = rankClass;
  const kept = new Set(Object.values(results));
  const { schedule, arenaBytes } = assignMemory(values, templates, rankClass.schedule, kept);
  return { ...rankClass, schedule, arenaBytes };
}
