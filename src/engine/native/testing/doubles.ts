/** The test build of the addon: the same engine, with doubles of its streams and of c10d's backend (native/testing/). */
import path from 'node:path';
import { addonPath, loadAddon, type NativeAddon } from '../bridge.js';

export interface Doubles {
  readonly addon: NativeAddon;
  /** Doubles of streams and backend are the CPU's. */
  readonly device: (rank: number) => string;
  /** Kind of streams; the device's own if absent. */
  readonly streams?: string;
  /** The backend; the device's own if absent. */
  readonly backend?: string;
}

export const loadTestingAddon = (): NativeAddon =>
  loadAddon(path.join(path.dirname(addonPath()), 'flotilla_testing.node'));

/** A thread for each stream, held and starved as the seed has it, and a backend with NCCL's rules. */
export const threadedStreams = (seed: number): Doubles => ({
  addon: loadTestingAddon(),
  device: () => 'cpu',
  streams: `threaded:${seed}`,
  backend: 'strict',
});

/** Streams of the CPU whose waits look for an abort every so many milliseconds, where those of a run do twice a second. */
export const impatientStreams = (milliseconds: number): Doubles => ({
  addon: loadTestingAddon(),
  device: () => 'cpu',
  streams: `impatient:${milliseconds}`,
});

/** Gloo whose timed waits run out just before their work is over. */
export const edgeBackend = (): Doubles => ({ addon: loadTestingAddon(), device: () => 'cpu', backend: 'edge' });
