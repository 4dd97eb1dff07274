import { expect, test } from 'vitest';
import { fillArena, lastChanged } from '../bench/arena_bytes.js';
import { gpt2Small } from '../bench/contestant/models.js';
import { datasheetBf16Peak, modelFlopsPerToken } from '../bench/flops.js';
import { libraryBytesByKernel } from '../bench/gpu/library_bytes.js';
import { runStage } from '../bench/gpu/stage.js';
import { memoryRow, timeRow, tokensRow, utilisationRow, type StepCase } from '../bench/step_rows.js';
import { syntheticText } from '../bench/synthetic_text.js';
import type { AddonEngine } from '../src/engine/native/bridge.js';
import type { NativeLaunch } from '../src/engine/native/loaded_program.js';
import { elementsOf } from '../src/ir/type.js';
import { GPT } from '../src/nn/models/gpt/gpt.js';
import { describeParameters } from '../src/nn/trace.js';

test("a token's model FLOPs are 6 for each parameter that is multiplied by, and attention's", () => {
  const { layers, dim, context } = gpt2Small;
  const parameters = describeParameters(new GPT(gpt2Small)).reduce((sum, { type }) => sum + elementsOf(type), 0);
  expect(parameters).toBe(124_439_808);
  expect(modelFlopsPerToken(gpt2Small)).toBe(6 * (parameters - context * dim) + 12 * layers * dim * context);
});

test('the datasheet speaks for SXM modules alone', () => {
  expect(['NVIDIA H200', 'NVIDIA H100 80GB HBM3'].map(datasheetBf16Peak)).toEqual([989e12, 989e12]);
  const others = ['NVIDIA H100 PCIe', 'NVIDIA H200 NVL', 'NVIDIA A100-SXM4-80GB', null];
  expect(others.map(datasheetBf16Peak)).toEqual([null, null, null, null]);
});

const step: StepCase = {
  name: 'bf16, one process',
  model: { layers: 1, dim: 2, heads: 1, context: 4, vocab: 8 },
  sequences: 2,
  setup: { device: 'cuda' },
  losses: { ours: [4, 2], eager: [5, 2] },
  missing: { other: 'too slow' },
  targets: null,
};
const turns = [
  { name: 'ours', seconds: [1, 2, 10], cpuSeconds: [1, 1, 1] },
  { name: 'eager', seconds: [2, 6, 10], cpuSeconds: [2, 2, 2] },
];

test('ratios of times are medians over turns; of rates, ours over theirs', () => {
  expect(timeRow(step, turns)).toMatchObject({
    name: 'step/bf16, one process/time',
    ours: 2,
    peers: { eager: 6 },
    ratio: 2,
    cpu_ratios: { eager: 2 },
    fastest: { ours: 1, eager: 2 },
    target: null,
    loss_distance: 0.25,
    missing: { other: 'too slow' },
  });
  expect(tokensRow(step, turns)).toMatchObject({ ours: 4, peers: { eager: 8 / 6 }, ratio: 3 });
  expect(timeRow(step, turns.slice(0, 1)).ratio).toBeNull();
});

test('MFU is what the model needs over what was measured, and over the datasheet where there is one', () => {
  // 16 + 48 + 26 + 4 parameters and 12·1·2·4 of attention, for 8 tokens in 2 s.
  const perSecond = ((6 * 94 + 96) * 8) / 2;
  const row = utilisationRow(step, turns, { measured: 4 * perSecond, datasheet: 8 * perSecond });
  expect(row).toMatchObject({ ours: 1 / 4, peers: { eager: 1 / 12 }, measured_peak_flops: 4 * perSecond });
  expect(row.of_datasheet_peak).toEqual({ ours: 1 / 8, peers: { eager: 1 / 24 } });
  expect(utilisationRow(step, turns, { measured: 1, datasheet: null })).not.toHaveProperty('of_datasheet_peak');
});

test('memory adds up over ranks', () => {
  const rank = { peak_bytes: 10, allocated_bytes: 8, arena_bytes: 5 };
  const theirs = { peak_bytes: 60, allocated_bytes: null };
  expect(memoryRow(step, { ours: [rank, rank], eager: [theirs] })).toMatchObject({
    ours: 20,
    peers: { eager: 60 },
    ratio: 3,
    allocated_bytes: { ours: 16 },
    arena_bytes: 10,
  });
});

test('what the library allocates is listed by kernel, the most first', () => {
  const launches = ['matmul', 'add', 'gather', 'matmul'].map((kernel) => ({ kind: 'kernel', kernel }) as NativeLaunch);
  expect(libraryBytesByKernel(launches, Float64Array.of(10, 0, 40, 30))).toEqual([
    { kernel: 'gather', launches: 1, bytes: 40 },
    { kernel: 'matmul', launches: 2, bytes: 30 },
  ]);
});

test('the last byte that differs from a filling is found across chunks', async () => {
  const arena = new Uint8Array((1 << 24) + 100);
  const engine = {
    read: async (offset: number, into: Uint8Array) => into.set(arena.subarray(offset, offset + into.length)),
    write: async (offset: number, from: Uint8Array) => arena.set(from, offset),
  } as unknown as AddonEngine;
  await fillArena(engine, arena.length, 0xff);
  expect(await lastChanged(engine, arena.length, 0xff)).toBe(0);
  for (const at of [0, 99, (1 << 24) + 99]) {
    arena[at] = 1;
    expect(await lastChanged(engine, arena.length, 0xff)).toBe(at + 1);
  }
});

test('labels of synthetic text are the tokens that follow', () => {
  const rows = syntheticText({ vocab: 50, context: 8 }, 3, 1);
  const { tokens, labels } = rows(0, 3);
  expect([...labels.subarray(0, 23)]).toEqual([...tokens.subarray(1)]);
  expect(rows(2, 1).tokens).toEqual(tokens.subarray(16));
});

test('a stage prints its results as they come, and an error as a check that has not passed', async () => {
  const lines: unknown[] = [];
  const status = process.exitCode;
  try {
    await runStage(
      'demo',
      async ({ device, report }) => {
        report({ name: 'figure', value: device });
        throw new Error('the GPU is gone');
      },
      ['--device', 'cuda', '--seconds', '5'],
      (line) => lines.push(JSON.parse(line)),
    );
    expect(process.exitCode).toBe(1);
  } finally {
    process.exitCode = status;
  }
  expect(lines).toEqual([
    { name: 'demo/figure', value: 'cuda:0' },
    { name: 'demo/ended early', passed: false, error: 'the GPU is gone' },
  ]);
});
