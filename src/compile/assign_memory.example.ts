import { parseGraph } from '../ir/parse.js';
import { ops } from '../ops/index.js';
import { parsePlan, placeStep } from '../partition/example.js';
import type { PassExample } from '../passes/example.js';
import { assignMemory, keptValues } from '../memory/assign_memory.js';
import { lowerAll, type ExampleProgram } from '../lower/lower.example.js';
import { printProgram } from '../program/print.js';
import { printMemory } from '../memory/print_memory.js';
import type { RankClass } from '../program/program.js';

type ProgramExample = PassExample<ExampleProgram, ExampleProgram>;

/** A program of one template, made from a graph under a plan; it is given without addresses. */
function memoryExample({
  title,
  about,
  plan,
  graph,
}: Pick<ProgramExample, 'title' | 'about'> & { readonly plan: string; readonly graph: string }): ProgramExample {
  return {
    pass: 'assign_memory',
    title,
    about,
    given: () => {
      const step = placeStep(parsePlan(plan), parseGraph(graph, ops));
      return withoutAddresses(
        lowerAll({ step, update: null, slots: [{ chunk: 0, direction: 'forward', microbatch: 0 }] }),
      );
    },
    run: (program) => ({ ...program, classes: program.classes.map(place) }),
    before: (program) => [{ heading: 'Before', text: printProgram(program) }],
    after: printMemory,
  };
}

export const assignMemoryExample = memoryExample({
  title: 'Four buffers in the bytes of two',
  about:
    'Each line is a buffer: where it begins, its bytes, and a column for each launch that finds it in use. The first launch alone reads ' +
    '`x`, so what the second makes takes its place, and the result takes the place of what the first made. Buffers that share bytes ' +
    'never share a column.',
  plan: 'mesh {}',
  graph: `
    func @chain(
      %x: data f32[dim=16]
    ) {
      %0 = exp(%x) : f32[dim=16]
      %1 = tanh(%0) : f32[dim=16]
      %2 = neg(%1) : f32[dim=16]
      return y=%2
    }`,
});

export const memoryAcrossLanes = memoryExample({
  title: 'Bytes that another lane may still read',
  about:
    'No launch after the all-gather reads `exp`, and yet `tanh` is not put in its place: lanes run apart, so the gather may be under way ' +
    'until compute has waited for it. Behind the wait the bytes are free, and `cumsum` writes there.',
  plan: 'mesh {tensor: 2}\ndim: tensor',
  graph: `
    func @gather(
      %x: data f32[dim=32],
      %z: data f32[row=16]
    ) {
      %0 = exp(%x) : f32[dim=32]
      %1 = tanh(%z) : f32[row=16]
      %2 = cumsum(%0) {factor=dim} : f32[dim=32]
      %3 = relu(%1) : f32[row=16]
      return sums=%2, y=%3
    }`,
});

function withoutAddresses(program: ExampleProgram): ExampleProgram {
  const classes = program.classes.map((one) => {
    const schedule = one.schedule.map((step) => ({ ...step, offsets: {} }));
    return { ...one, schedule, arenaBytes: 0 };
  });
  return { ...program, classes };
}

function place(rankClass: RankClass): RankClass {
  const { values, templates } = rankClass;
  const { schedule, arenaBytes } = assignMemory(values, templates, rankClass.schedule, keptValues(rankClass));
  return { ...rankClass, schedule, arenaBytes };
}
