/** Tests that the device of the tests decides on: what it cannot show is listed as skipped, with the reason in the test's name. */
import { test } from 'vitest';
import { loadAddon } from '../bridge.js';
import { missingGpus, testDevice, testDeviceType } from './device.js';

/** What only a CPU can show. */
const cpuOnly = {
  windows: 'the memory of a GPU has no window on the host',
  ownKernels: 'the kernels of a GPU are the library’s, which checks its operands itself',
} as const;

/** Declares a test, as `test(name, body, limitMs)` does. */
export type Declare = (name: string, body: () => unknown, limitMs?: number) => void;

/** A test of what only a CPU can show. */
export const testOnCpu = (reason: keyof typeof cpuOnly): Declare =>
  testDeviceType === 'cpu' ? test : skipped(cpuOnly[reason]);

/** A test of so many ranks, which on GPUs need one each. */
export function testOfRanks(ranks: number): Declare {
  const reason = missing(ranks);
  return reason === null ? test : skipped(reason);
}

/** So many ranks where there is a device for each, else one. */
export const ranksOrOne = (ranks: number): number => (missing(ranks) === null ? ranks : 1);

const missing = (ranks: number): string | null =>
  testDeviceType === 'cpu' ? null : missingGpus(ranks, testDevice, loadAddon().describe().gpus);

const skipped =
  (reason: string): Declare =>
  (name, body) =>
    test.skip(`${name} [skipped: ${reason}]`, body as () => void);
