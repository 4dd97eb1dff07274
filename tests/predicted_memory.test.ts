/**
 * What is predicted is what is used: a step of real ranks writes its arena up to the last byte predicted, and nothing lies outside it.
 * ZeRO-1 takes most beyond its values: reduce-scatters receive (k − 1)/k of each bucket beside it.
 */
import { expect } from 'vitest';
import { lastChanged, fillArena } from '../bench/arena_bytes.js';
import { dtypeBytes } from '../src/ir/dtype.js';
import { loadClass } from '../src/engine/native/load_class.js';
import type { NativeLaunch, LoadedView } from '../src/engine/native/loaded_program.js';
import { NativeEngine } from '../src/engine/native/engine.js';
import { deviceOfRank, testDeviceType } from '../src/engine/native/testing/device.js';
import { meet } from '../src/engine/native/meet.js';
import { testOfRanks } from '../src/engine/native/testing/tests_by_device.js';
import { GPT } from '../src/nn/models/index.js';
import { ops } from '../src/ops/index.js';
import { languageModel } from './scenarios/language_model.js';
import { classOfRank, nativeScenario, runRankStep, type NativeScenario } from './scenarios/native_step.js';

const zero1 = (data: number) =>
  nativeScenario({
    ...languageModel(new GPT({ layers: 2, dim: 8, heads: 2, context: 8, vocab: 11 }), { batch: 4, sequence: 4 }),
    mesh: { data },
    split: { batch: ['data'] },
    zero: { stage: 1, axes: ['data'] },
    microbatches: 2,
  });

for (const data of [2, 3, 4]) {
  testOfRanks(data)(`ZeRO-1 over ${data} ranks: predicted is the highest byte touched`, async () => {
    const scenario = zero1(data);
    const written = [await lastWritten(scenario, 0x00), await lastWritten(scenario, 0xff)];
    for (let rank = 0; rank < data; rank++) {
      const { arenaBytes } = classOfRank(scenario, rank);
      const { launches } = loadClass(ops, scenario.program, rank, testDeviceType);
      expect(Math.max(...launches.map(endOf))).toBe(arenaBytes);
      // A byte may be written as what it was.
      expect(Math.max(...written.map((of) => of[rank]))).toBe(arenaBytes);
      const received = launches.filter((one) => one.kind === 'collective' && one.collective === 'reduce_scatter');
      expect(received.length).toBeGreaterThan(0);
      for (const one of received)
        expect(one).toMatchObject({ scratch: { bytes: (data - 1) * bytesOf((one as { output: LoadedView }).output) } });
    }
  });
}

/** By rank, one more than the address of the last byte that is not what the arena was filled with. */
async function lastWritten(scenario: NativeScenario, prefill: number): Promise<readonly number[]> {
  const engines = Array.from({ length: scenario.ranks }, (_, rank) => {
    const { arenaBytes } = classOfRank(scenario, rank);
    return new NativeEngine({ registry: ops, rank, device: deviceOfRank(rank), threads: 1, arenaBytes });
  });
  const addons = engines.map(({ addon }) => addon);
  try {
    await meet(addons, {});
    for (const addon of addons) await fillArena(addon, addon.options.arenaBytes, prefill);
    await Promise.all(engines.map((engine) => runRankStep(scenario, engine)));
    return await Promise.all(addons.map((addon) => lastChanged(addon, addon.options.arenaBytes, prefill)));
  } finally {
    for (const addon of addons) addon.abort('the test is over');
    for (const engine of engines) await engine.close();
  }
}

/** The first byte behind all that a launch touches. */
function endOf(launch: NativeLaunch): number {
  switch (launch.kind) {
    case 'kernel':
      return Math.max(...launch.operands.map(endOfView), endOfScratch(launch.scratch));
    case 'collective':
      return Math.max(endOfView(launch.input), endOfView(launch.output), endOfScratch(launch.scratch));
    case 'copy':
      return Math.max(endOfView(launch.from), endOfView(launch.to));
    case 'send':
    case 'recv':
      return endOfView(launch.view);
    default:
      return 0;
  }
}

const endOfView = ({ offset, dtype, sizes, strides }: LoadedView): number =>
  sizes.includes(0) ? 0 : offset + (sizes.reduce((at, n, i) => at + (n - 1) * strides[i], 0) + 1) * dtypeBytes[dtype];
const endOfScratch = (scratch: { readonly offset: number; readonly bytes: number } | null): number =>
  scratch ? scratch.offset + scratch.bytes : 0;
const bytesOf = ({ dtype, sizes }: LoadedView): number => sizes.reduce((a, b) => a * b, dtypeBytes[dtype]);
