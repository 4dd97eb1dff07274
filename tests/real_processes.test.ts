/**
 * Training steps in f32 on two and four real processes of the native engine against one device. For each gradient g:
 * ‖Δ‖ ≤ 1e-5·‖g‖ + 1e-7·‖all gradients‖.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadClass } from '../src/engine/native/load_class.js';
import { testOfRanks } from '../src/engine/native/testing/tests_by_device.js';
import type { RankBlocks } from '../src/engine/reference/execute.js';
import { gatherValues } from '../src/engine/reference/shards.js';
import { ops } from '../src/ops/index.js';
import { launch } from '../src/launch/launch.js';
import { countMallocs } from '../src/launch/testing/count_mallocs.js';
import { nativeScenario, type NativeScenario } from './scenarios/native_step.js';
import { realRanks, wholeSteps } from './scenarios/real_ranks.js';
import type { Values } from './scenarios/scenario.js';
import { built } from './setup/built.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
const rankMain = built(new URL('scenarios/real_rank_main.ts', import.meta.url));

for (const [name, options] of Object.entries(realRanks)) {
  const scenario = nativeScenario(options());
  testOfRanks(scenario.ranks)(name, () => equalsSerial(name, scenario));
}

const steady = 'ten steady-state steps of %s on two processes allocate nothing in the addon’s own code';
test.each(Object.entries(wholeSteps))(steady, async (_, options) => {
  const scenario = nativeScenario(options(), 'cpu');
  const programs = [0, 1].map((rank) => loadClass(ops, scenario.program, rank, 'cpu'));
  const arenaBytes = Math.max(...scenario.program.classes.map((rankClass) => rankClass.arenaBytes));
  const counts = await countMallocs({ arenaBytes, programs, steps: 10, warmUp: 3 });
  expect(counts.map(({ steps }) => steps)).toEqual([0, 0]);
});

async function equalsSerial(name: string, scenario: NativeScenario): Promise<void> {
  await launch({ ranks: scenario.ranks, args: [rankMain, name, folder] });
  const blocks = Array.from({ length: scenario.ranks }, (_, rank): RankBlocks => {
    const read = JSON.parse(readFileSync(path.join(folder, `rank.${rank}.json`), 'utf8')) as Record<string, number[]>;
    return new Map(Object.entries(read).map(([value, block]) => [value, Float64Array.from(block)]));
  });
  expect(tooFarApart(scenario.serial(), gatherValues(scenario.program, blocks))).toEqual([]);
}

function tooFarApart(expected: Values, actual: Values): readonly string[] {
  const gradients = Object.entries(expected).filter(([name]) => name.startsWith('gradient.'));
  expect(gradients.length).toBeGreaterThan(10);
  const all = Math.hypot(...gradients.map(([, g]) => Math.hypot(...g)));
  const loss = Math.abs(actual.loss_sum[0] / expected.loss_sum[0] - 1);
  return [
    ...(loss <= 1e-5 ? [] : [`loss_sum: ${loss}`]),
    ...gradients.flatMap(([name, g]) => {
      const delta = Math.hypot(...g.map((x, i) => x - actual[name][i]));
      return delta <= 1e-5 * Math.hypot(...g) + 1e-7 * all
        ? []
        : [`${name}: ‖Δ‖ = ${delta}, ‖g‖ = ${Math.hypot(...g)}`];
    }),
  ];
}
