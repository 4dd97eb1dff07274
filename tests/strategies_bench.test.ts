/** What strategies are said to cost, against formulae, schedules and traces written by hand. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { compileStep } from '../bench/native_step.js';
import { buildPreload } from '../bench/rank_runs.js';
import { strategies, strategyBatch, strategyModel } from '../bench/strategies/cases.js';
import { clockProgram } from '../bench/strategies/clock.js';
import { exchangesOfTrace, sharesOfTrace } from '../bench/strategies/measure.js';
import { setupOf, stateStrategy } from '../bench/strategies/statement.js';
import type { LaunchList, LoadedView } from '../src/engine/native/loaded_program.js';
import type { Instruction, Program } from '../src/program/program.js';
import { instructionsOf } from '../src/program/unroll.js';

const strategyNamed = (name: string) => strategies.find((one) => one.name === name)!;

const { layers, dim, context, vocab } = strategyModel;
const { sequences, microbatch } = strategyBatch;
const parameters = (vocab + context) * dim + layers * (12 * dim * dim + 13 * dim) + 2 * dim;
const microbatches = sequences / microbatch;
/** Of one microbatch, f32. */
const activation = microbatch * context * dim * 4;

test('bytes sent and held are those of the published formulae', () => {
  const [data, zero1, zero3, ulysses, pipeline] = [
    'data 2',
    'data 2, ZeRO-1',
    'data 4, ZeRO-3',
    'context 2, Ulysses',
    'pipeline 2',
  ].map((name) => stateStrategy(strategyNamed(name)));
  // Besides: loss, tokens and the norm, a few numbers.
  const few = 64;
  const within = (bytes: number, expected: number) => {
    expect(bytes).toBeGreaterThanOrEqual(expected);
    expect(bytes).toBeLessThanOrEqual(expected + few);
  };
  within(data.sentBytes, 4 * parameters);
  expect(data.memory).toMatchObject({ parameters: 4 * parameters, optimizer: 8 * parameters, gathered: 0 });
  // Rajbhandari et al. 2020: reduce-scatter and all-gather are an all-reduce; state over the ranks.
  within(zero1.sentBytes, 4 * parameters);
  expect(zero1.memory.optimizer).toBe(4 * parameters);
  expect(zero3.memory).toMatchObject({ parameters: parameters, optimizer: 2 * parameters });
  // Jacobs et al. 2023: queries, keys, values and results, of which half is another rank's, in both directions.
  const exchanged = (microbatches * layers * 2 * 4 * activation) / 2 / 2;
  expect(ulysses.exchanged.all_to_all).toEqual({ calls: microbatches * layers * 2 * 4, bytes: exchanged });
  // The second group sends back a gradient each microbatch, and once that of the tied embedding.
  within(pipeline.sentBytes, microbatches * activation + vocab * dim * 4);
});

test('the clock of a pipeline’s program shows the bubble of its schedule', () => {
  const bubbleOf = (name: string, seconds: Readonly<Record<string, number>>) => {
    const { program } = compileStep(setupOf(strategyNamed(name)), 'cpu').compiled;
    const prices = slotPrices(program, seconds);
    const clocked = clockProgram(program, (instruction) => ({ seconds: prices.get(instruction) ?? 0 }));
    const busy = clocked.spans
      .filter(({ what }) => what === 'compute')
      .reduce((s, { begin, end }) => s + end - begin, 0);
    return { bubble: 1 - busy / (program.groups.length * clocked.seconds), seconds: clocked.seconds };
  };
  // (p − 1)(F + B + W), for any m; with v chunks each v times as short.
  const plain = { forward: 1, backward: 2 };
  for (const [name, p] of [
    ['pipeline 2', 2],
    ['pipeline 4', 4],
  ] as const) {
    const { bubble, seconds } = bubbleOf(name, plain);
    expect(seconds).toBeCloseTo(3 * (microbatches + p - 1), 9);
    expect(bubble).toBeCloseTo((p - 1) / (microbatches + p - 1), 9);
  }
  const interleaved = bubbleOf('pipeline 2, interleaved', { forward: 0.5, backward: 1 });
  expect(interleaved.seconds).toBeCloseTo(3 * microbatches + 1.5, 9);
  // (p − 1)(F + B − W)
  const split = bubbleOf('pipeline 2, ZB-H1', { forward: 1, backward: 1, weight: 1 });
  expect(split.seconds).toBeCloseTo(3 * microbatches + 1, 9);
});

/** Prices by which each run of a template takes so long in each phase: its kernels have equal parts of it. */
function slotPrices(program: Program, seconds: Readonly<Record<string, number>>): ReadonlyMap<Instruction, number> {
  const prices = new Map<Instruction, number>();
  for (const template of program.classes.flatMap(({ templates }) => templates)) {
    const kernels = instructionsOf(template).filter(({ kind }) => kind === 'kernel');
    for (const kernel of kernels) {
      const { phase } = kernel.source;
      const alike = kernels.filter(({ source }) => source.phase === phase).length;
      prices.set(kernel, (seconds[phase] ?? 0) / alike);
    }
  }
  return prices;
}

test('ranks that wait for each other are told', () => {
  const { program } = compileStep(setupOf(strategyNamed('pipeline 2')), 'cpu').compiled;
  const [first, second] = program.classes;
  const silent = {
    ...first,
    templates: first.templates.map((template) => ({
      ...template,
      body: instructionsOf(template).filter(({ kind }) => kind !== 'send'),
    })),
  };
  expect(() => clockProgram({ ...program, classes: [silent, second] }, () => ({ seconds: 0 }))).toThrow(
    'wait for each other',
  );
});

const view = (...sizes: number[]): LoadedView => ({ offset: 0, dtype: 'f32', sizes, strides: [1] });
const at = 'here';
const list: LaunchList = {
  groups: [{ id: 7, ranks: [4, 5, 6] }],
  launches: [
    { kind: 'kernel', kernel: 'matmul', operands: [], reads: 0, scratch: null, attributes: {}, at },
    {
      kind: 'collective',
      collective: 'all_reduce',
      group: 7,
      reduction: 'sum',
      input: view(30),
      output: view(30),
      scratch: null,
      event: 1,
      at,
    },
    {
      kind: 'collective',
      collective: 'all_gather',
      group: 7,
      reduction: null,
      input: view(5),
      output: view(18),
      outputCounts: [6, 5, 7],
      scratch: null,
      event: 2,
      at,
    },
    {
      kind: 'collective',
      collective: 'reduce_scatter',
      group: 7,
      reduction: 'sum',
      input: view(18),
      output: view(5),
      inputCounts: [6, 5, 7],
      scratch: null,
      event: 3,
      at,
    },
    { kind: 'send', peer: 9, tag: 0, view: view(11), event: 4, at },
    { kind: 'recv', peer: 9, tag: 0, view: view(13), event: 5, at },
    { kind: 'wait', event: 3, at },
    { kind: 'wait', event: 5, at },
    {
      kind: 'collective',
      collective: 'all_gather',
      group: 7,
      reduction: null,
      input: view(5),
      output: view(15),
      scratch: null,
      event: 6,
      at,
    },
  ],
};
/** Starts, ends and arrivals, in seconds; the last launch takes a second to begin, and has not arrived. */
const trace = Float64Array.from(
  [
    [0, 2, NaN],
    [2, 2, 3],
    [2, 2, 3],
    [2, 2, 3.5],
    [2, 2, 4],
    [2, 2, 6],
    [2, 3.5, NaN],
    [3.5, 6, NaN],
    [6, 7, NaN],
  ].flat(),
);

test('a trace is counted by what was sent and has arrived', () => {
  const { exchanged, synchronisations } = exchangesOfTrace(list, trace, 5);
  expect(exchanged).toEqual({
    all_reduce: { calls: 1, bytes: (2 * 2 * 120) / 3 },
    all_gather: { calls: 1, bytes: 2 * 20 },
    // All but the rank's own block of 5.
    reduce_scatter: { calls: 1, bytes: 4 * 13 },
    all_to_all: { calls: 0, bytes: 0 },
    permute: { calls: 0, bytes: 0 },
    send: { calls: 1, bytes: 44 },
  });
  expect(synchronisations).toBe(4);
  expect(sharesOfTrace(list, { trace, seconds: 10 })).toEqual({ utilisation: 0.2, exposed: 0.25, bubble: 0.25 });
});

test.runIf(process.platform === 'linux')('what leaves a process over IP is counted, and nothing else', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-sent-'));
  try {
    const counts = path.join(folder, 'counts');
    const talks = `
      const net = require('node:net');
      const server = net.createServer((socket) => socket.on('data', () => {}).on('end', () => server.close()));
      server.listen(0, '127.0.0.1', () => {
        const socket = net.connect(server.address().port, '127.0.0.1', () => socket.end(Buffer.alloc(12345)));
      });
      console.log('not over IP');`;
    await promisify(execFile)(process.execPath, ['-e', talks], {
      env: { ...process.env, LD_PRELOAD: buildPreload('count_sent', folder), FLOTILLA_SENT_COUNTS: counts },
    });
    expect(Number(readFileSync(counts).readBigUInt64LE(8))).toBe(12345);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
