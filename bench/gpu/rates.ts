/** Rates of a device that no kernel of ours decides: how fast memory is copied, what a launch costs. */
import { loadAddon } from '../../src/engine/native/bridge.js';
import type { KernelLaunch, NativeLaunch, LoadedView } from '../../src/engine/native/loaded_program.js';

export interface RateOptions {
  /** `cpu`, `cuda:0`. */
  readonly device: string;
  readonly threads: number;
}

/** The best of this many runs, the first of which warms up. */
const runs = 6;

/** Bytes a second, read and written together, of a copy of `bytes` inside the arena. */
export async function copyBandwidth(options: RateOptions, bytes: number): Promise<number> {
  const view = (offset: number): LoadedView => ({ offset, dtype: 'f32', sizes: [bytes / 4], strides: [1] });
  const launches: readonly NativeLaunch[] = [{ kind: 'copy', from: view(0), to: view(bytes), at: 'copy bandwidth' }];
  return (2 * bytes) / (await bestSeconds(options, 2 * bytes, launches));
}

/** Seconds a launch, of a program of `count` launches that do next to nothing. */
export async function launchOverhead(options: RateOptions, count: number): Promise<number> {
  const fill: KernelLaunch = {
    kind: 'kernel',
    kernel: 'fill',
    operands: [{ offset: 0, dtype: 'f32', sizes: [1], strides: [1] }],
    reads: 0,
    scratch: null,
    attributes: { value: 1 },
    at: 'launch overhead',
  };
  const launches = Array.from({ length: count }, () => fill);
  return (await bestSeconds(options, 64, launches)) / count;
}

async function bestSeconds({ device, threads }: RateOptions, arenaBytes: number, launches: readonly NativeLaunch[]) {
  using engine = loadAddon().open({ device, threads, arenaBytes });
  const program = await engine.load({ groups: [], launches });
  let best = Infinity;
  for (let i = 0; i < runs; i++) best = Math.min(best, (await program.run()).seconds);
  return best;
}
