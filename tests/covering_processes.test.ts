/**
 * Steps on two, three and four real processes of the native engine in which any two settings of a plan meet, against one device.
 *
 *   f32   ‖Δ‖ ≤ 1e-5·‖g‖ + 1e-7·‖all gradients‖
 *   bf16  ‖g_parallel − g_f32‖ ≤ 1.5 × ‖g_serial − g_f32‖, of every tensor
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import v8 from 'node:v8';
import { afterAll, describe, expect, test } from 'vitest';
import { testOfRanks } from '../src/engine/native/testing/tests_by_device.js';
import type { RankBlocks } from '../src/engine/reference/execute.js';
import { gatherValues } from '../src/engine/reference/shards.js';
import { launch } from '../src/launch/launch.js';
import { coverageText, missingPairs } from './laws/covering_pairs.js';
import { departures } from './laws/parallel_equals_serial.js';
import {
  coveringRanks,
  coveringSettings,
  fewRows,
  gradientsOf,
  inBf16,
  isLegal,
  ranksOfRow,
  stepInF32,
  worldSizes,
  type CoveringRow,
} from './scenarios/covering_ranks.js';
import { nativeScenario } from './scenarios/native_step.js';
import { inputValues, runSerial, type ScenarioOptions, type Values } from './scenarios/scenario.js';
import { built } from './setup/built.js';

/** A job of processes takes its time where others have the cores. */
const limitMs = 400_000;

const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
const rankMain = built(new URL('scenarios/covering_rank_main.ts', import.meta.url));

const textOf = (row: CoveringRow): string =>
  Object.entries(row)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

describe('f32', () => {
  test('every two values of every two settings meet in some step', () => {
    process.stdout.write(`${coverageText(coveringSettings, coveringRanks, isLegal)}\n`);
    expect(missingPairs(coveringSettings, coveringRanks, isLegal)).toEqual([]);
  });

  for (const ranks of worldSizes) {
    const rows = coveringRanks.filter((row) => ranksOfRow(row) === ranks);
    testOfRanks(ranks)(
      `${rows.length} steps on ${ranks} processes leave the gradients of one device`,
      async () => {
        const cases = rows.map((row, i) => stepInF32(row, i));
        const parallel = await onProcesses(ranks, cases);
        const found = cases.flatMap((options, i) => {
          const { loss_sum, ...gradients } = serialGradients(options);
          const { loss_sum: loss, ...theirs } = parallel[i];
          expect(Math.abs(loss[0] / loss_sum[0] - 1), textOf(rows[i])).toBeLessThan(1e-5);
          return departures(gradients, theirs, { relative: 1e-5, floor: 1e-7 }).map(
            (one) => `${textOf(rows[i])}: ${one}`,
          );
        });
        expect(found).toEqual([]);
      },
      limitMs,
    );
  }
});

describe('bf16', () => {
  const rows = fewRows();
  const sizes = { headDim: 16, hidden: 48, vocab: 64, sequence: 11, batch: 2, microbatches: 2, dropout: false };
  for (const ranks of worldSizes) {
    const own = rows.filter((row) => ranksOfRow(row) === ranks);
    testOfRanks(ranks)(
      `${own.length} steps on ${ranks} processes are as near to f32 as one device`,
      async () => {
        const inF32 = own.map((row, i) => stepInF32(row, i, sizes));
        const cases = inF32.map(inBf16);
        const parallel = await onProcesses(ranks, cases);
        const ratios = own.flatMap((row, i) => {
          const [exact, serial] = [serialGradients(inF32[i]), serialGradients(cases[i])];
          return Object.keys(exact).map((name) => {
            const [ours, theirs] = [parallel[i], serial].map((one) => distance(one[name], exact[name]));
            return { ratio: ours / theirs, what: `${name} of ${textOf(row)}` };
          });
        });
        const worst = ratios.reduce((a, b) => (b.ratio > a.ratio ? b : a));
        process.stdout.write(
          `${ratios.length} tensors on ${ranks} processes, at most ${worst.ratio.toFixed(2)} × as far\n`,
        );
        expect(worst.ratio, worst.what).toBeLessThanOrEqual(1.5);
      },
      limitMs,
    );
  }
});

/** What a job of processes leaves of each step, as gradients. */
async function onProcesses(ranks: number, cases: readonly ScenarioOptions[]): Promise<readonly Values[]> {
  const own = path.join(folder, `${ranks} ${Math.random()}`);
  mkdirSync(own);
  const scenarios = cases.map((options) => nativeScenario(options));
  scenarios.forEach(({ program, inputs }, i) =>
    writeFileSync(path.join(own, `case.${i}`), v8.serialize({ program, inputs, ranks })),
  );
  await launch({ ranks, args: [rankMain, own] });
  return scenarios.map(({ program }, i) => {
    const blocks = Array.from(
      { length: ranks },
      (_, rank) => v8.deserialize(readFileSync(path.join(own, `result.${i}.${rank}`))) as RankBlocks,
    );
    return gradientsOf(inputValues(cases[i], cases[i].microbatches ?? 1), gatherValues(program, blocks));
  });
}

function serialGradients(options: ScenarioOptions): Values {
  const { microbatches = 1 } = options;
  const inputs = inputValues(options, microbatches);
  return gradientsOf(inputs, runSerial(options, inputs, microbatches));
}

const distance = (a: Float64Array, b: Float64Array): number => Math.hypot(...a.map((x, i) => x - b[i]));
