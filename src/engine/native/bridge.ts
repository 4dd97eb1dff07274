/**
 * Everything the native addon offers, in one file. Missing values are null, never absent. Errors are {@link NativeError}.
 *
 * The addon is `native/build/flotilla.node`, made by set-up (`npx flotilla setup`, `npm test`, `npm run demo`); {@link loadAddon} finds and
 * opens it.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { runsOf, type HashedBox } from '../content_hash.js';
import { addonNotBuilt, addonNotLoaded, toNativeError } from './diagnostics.js';
import { deviceFault } from './device_fault.js';
import { encodeProgram, type LaunchList } from './loaded_program.js';
import { withWaiting } from './waiting.js';
import type * as Places from '../../../scripts/setup/places.mjs';
import { setupModule } from './locate.js';

const { nativeFolder } = await setupModule<typeof Places>('places.mjs');

/** What this build and machine can do. */
export interface NativeDescription {
  /** Version of the torch it was built with, for example `2.13.0+cpu`. */
  readonly torch: string;
  /** The package it was built with, and loads. */
  readonly torchPath: string;
  /** CUDA version that torch was built for, whether or not it sees a GPU. */
  readonly torchCuda: string | null;
  /** GPUs that torch sees. */
  readonly gpus: number;
  /** Processor features that kernels choose by, as /proc/cpuinfo names them. */
  readonly cpu: readonly string[];
  /** Communication backends: `gloo`, `nccl`. */
  readonly backends: readonly string[];
  /** Headers of NCCL and the CUDA runtime that the build did not find: a CUDA build then has no `nccl`. */
  readonly ncclLacks: readonly string[];
  readonly kernels: readonly string[];
  /** OpenMP threads by default. */
  readonly threads: number;
}

export interface OpenOptions {
  /** `cpu`, `cuda:0`. */
  readonly device: string;
  /** OpenMP threads of the executor. */
  readonly threads: number;
  readonly arenaBytes: number;
  /** Other streams than the device's own, of a test build: `threaded:SEED` (native/testing/). */
  readonly streams?: string;
}

export interface RendezvousOptions {
  /** Host of the store: MASTER_ADDR. */
  readonly address: string;
  /** Port of the store: MASTER_PORT. With `hostStore`, 0 takes a free one. */
  readonly port: number;
  readonly rank: number;
  readonly worldSize: number;
  /** Whether this rank serves the store: rank 0, unless torchrun's agent does. */
  readonly hostStore: boolean;
  /** A listening socket to serve it on, which the launcher has opened: then nobody can take the port in between. */
  readonly listenFd?: number | null;
  /** Keeps this start's keys apart from those of an earlier one in the same store, for example the restart count. */
  readonly generation: string;
  /** How long to wait for the other ranks. */
  readonly timeoutSeconds: number;
  /** Connects to the store alone, and waits for no other rank: no program that communicates can be loaded. */
  readonly storeOnly?: boolean;
  /** How long one collective or receive may take before it fails; on a GPU counted from when the host handed it over. */
  readonly operationTimeoutSeconds: number;
  /** Another backend than the device's own, of a test build: `strict` (native/testing/). */
  readonly backend?: string;
}

/** What one step took. */
export interface StepReport {
  readonly seconds: number;
  /** The part in which the host waited for communication, or for the device. */
  readonly waitSeconds: number;
  readonly launches: number;
  /**
   * Three numbers for each launch, in seconds since the step began: start, end, and for communication when its data was known to have
   * arrived (NaN for the rest). On a GPU by the device's clock. Null unless asked for.
   */
  readonly trace: Float64Array | null;
  /** Bytes that libraries held at the most inside each launch, beyond the arena: of a traced step on a GPU, else null. */
  readonly libraryBytes: Float64Array | null;
  /** Of a watched program, what a kernel or copy first saw. */
  readonly nonFinite?: SeenNonFinite;
}

export interface SeenNonFinite {
  /** By position. */
  readonly launch: number;
  readonly operand: number;
  readonly kind: 'NaN' | 'Infinity';
  /** One for each element of the operand's view, row-major: not zero where it is NaN or infinite. */
  readonly elements: Uint8Array;
}

/** What torch's allocator holds on a device, the arena included. Numbers since the process began. */
export interface DeviceMemory {
  readonly allocatedBytes: number;
  readonly peakAllocatedBytes: number;
  /** Taken from the device, at the most. */
  readonly peakReservedBytes: number;
  /** Requests to the allocator, which mostly serves them from what it has. */
  readonly allocations: number;
  /** Of these, the ones for which it asked the device (cudaMalloc). */
  readonly deviceAllocations: number;
}

/** A rank's engine. Close it with {@link AddonEngine.close}, or let `using` do so. */
export interface AddonEngine {
  readonly options: OpenOptions;

  /** Meets the other ranks. Resolves to the store's port. */
  rendezvous(options: RendezvousOptions): Promise<number>;

  /** Writes a value into the store. */
  storeSet(key: string, value: Uint8Array | string): Promise<void>;
  /** Reads a value, once some rank has written it; fails with `store-timeout`. */
  storeGet(key: string, timeoutSeconds: number): Promise<Uint8Array>;
  /** Adds to a counter (0 at first); resolves to the sum. */
  storeAdd(key: string, amount: number): Promise<number>;
  /** From now on adds one to a counter every so many seconds, from a thread of its own: a busy event loop does not hold it up. */
  storeBeat(key: string, seconds: number): void;

  /**
   * Prepares a program. Ranks that share a group load programs that use it in the same order. Watched, each kernel looks for what is
   * not finite: before it runs at its operands, and afterwards at its results.
   */
  load(program: LaunchList, options?: { readonly watch?: boolean }): Promise<AddonProgram>;

  /** A window on the arena's own bytes, on the CPU. It stays valid after close(). */
  memory(offset: number, bytes: number): ArrayBuffer;
  /** Copies arena bytes to the host, on any device. Queued behind what runs. */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Copies host bytes into the arena, on any device. Queued behind what runs. */
  write(offset: number, from: Uint8Array): Promise<void>;
  /** Hashes of content (`content_hash.ts`), two words each; to which of them each box adds, it says. Queued behind what runs. */
  hash(boxes: readonly ArenaBox[], hashes: number): Promise<Uint32Array>;

  /** Null on the CPU, whose memory is the process's. */
  deviceMemory(): DeviceMemory | null;

  /** Ends the wait of a step, within a second; that step and every later one fail with `aborted`. */
  abort(reason: string): void;
  /** Frees the engine. Nothing may be running unless abort() was called. */
  close(): void;
  [Symbol.dispose](): void;
}

/** A box of a tensor, whose elements lie in the arena one behind the other. */
export interface ArenaBox extends Omit<HashedBox, 'at'> {
  readonly hash: number;
  /** In bytes. */
  readonly offset: number;
  readonly elementBytes: number;
}

/** A program in the executor. */
export interface AddonProgram {
  readonly launches: number;
  /** Runs one step on the executor thread. */
  run(options?: { readonly trace?: boolean }): Promise<StepReport>;
}

/** The addon. */
export interface NativeAddon {
  readonly path: string;
  describe(): NativeDescription;
  /** Throws `engine/torch-without-cuda`, `engine/no-gpu`, `engine/too-few-gpus`, and what native/error.h names. */
  open(options: OpenOptions): AddonEngine;
}

/** Where the addon is built: in the package, or in the user's cache where the package may not be written to. */
export function addonPath(): string {
  return path.join(nativeFolder(), 'flotilla.node');
}

/** Loads the addon, and with it libtorch (about half a second the first time); or, for tests, another build of it. */
export function loadAddon(file = addonPath()): NativeAddon {
  if (!existsSync(file)) throw addonNotBuilt({ path: file });
  let raw: RawAddon;
  try {
    raw = withWaiting(() => createRequire(import.meta.url)(file) as RawAddon);
  } catch (error) {
    throw addonNotLoaded({ path: file, reason: error instanceof Error ? error.message : String(error) });
  }
  return {
    path: file,
    describe: () => convertErrors(() => raw.describe()),
    open: (options) => openEngine(raw, options),
  };
}

/** What native/addon.cpp exports. */
interface RawAddon {
  describe(): NativeDescription;
  open(options: OpenOptions & { readonly rank: number }): RawEngine;
  rendezvous(engine: RawEngine, options: RendezvousOptions): Promise<number>;
  storeSet(engine: RawEngine, key: string, value: Uint8Array): Promise<void>;
  storeGet(engine: RawEngine, key: string, timeoutSeconds: number): Promise<Uint8Array>;
  storeAdd(engine: RawEngine, key: string, amount: number): Promise<number>;
  storeBeat(engine: RawEngine, key: string, seconds: number): void;
  load(engine: RawEngine, json: string, watch: boolean): Promise<{ program: RawProgram; launches: number }>;
  run(program: RawProgram, trace: boolean): Promise<StepReport>;
  memory(engine: RawEngine, offset: number, bytes: number): ArrayBuffer;
  read(engine: RawEngine, offset: number, into: Uint8Array): Promise<void>;
  write(engine: RawEngine, offset: number, from: Uint8Array): Promise<void>;
  hash(engine: RawEngine, boxes: Float64Array, hashes: number): Promise<Uint32Array>;
  deviceMemory(engine: RawEngine): DeviceMemory | null;
  abort(engine: RawEngine, reason: string): void;
  close(engine: RawEngine): void;
}
type RawEngine = { readonly engine: unique symbol };
type RawProgram = { readonly program: unique symbol };

function openEngine(raw: RawAddon, options: OpenOptions): AddonEngine {
  refuseMissingGpu(raw, options.device);
  const engine = convertErrors(() => raw.open({ ...options, rank: -1 }));
  const close = () => convertErrors(() => raw.close(engine));
  return {
    options,
    rendezvous: (rendezvous) => convertRejections(() => raw.rendezvous(engine, rendezvous)),
    storeSet: (key, value) =>
      convertRejections(() =>
        raw.storeSet(engine, key, typeof value === 'string' ? new TextEncoder().encode(value) : value),
      ),
    storeGet: (key, timeoutSeconds) => convertRejections(() => raw.storeGet(engine, key, timeoutSeconds)),
    storeAdd: (key, amount) => convertRejections(() => raw.storeAdd(engine, key, amount)),
    storeBeat: (key, seconds) => convertErrors(() => raw.storeBeat(engine, key, seconds)),
    load: async (program, load) => {
      const loaded = await convertRejections(() => raw.load(engine, encodeProgram(program), load?.watch ?? false));
      return {
        launches: loaded.launches,
        run: (run) => convertRejections(() => raw.run(loaded.program, run?.trace ?? false)),
      };
    },
    memory: (offset, bytes) => convertErrors(() => raw.memory(engine, offset, bytes)),
    read: (offset, into) => convertRejections(() => raw.read(engine, offset, into)),
    write: (offset, from) => convertRejections(() => raw.write(engine, offset, from)),
    hash: (boxes, hashes) => convertRejections(() => raw.hash(engine, numbersOf(boxes), hashes)),
    deviceMemory: () => convertErrors(() => raw.deviceMemory(engine)),
    abort: (reason) => convertErrors(() => raw.abort(engine, reason)),
    close,
    [Symbol.dispose]: close,
  };
}

/** Boxes as native/addon.cpp reads them. Empty ones are left out. */
function numbersOf(boxes: readonly ArenaBox[]): Float64Array {
  const numbers: number[] = [];
  for (const { hash, offset, elementBytes, start, sizes, strides } of boxes) {
    if (sizes.includes(0)) continue;
    const { outer, elements } = runsOf({ sizes, strides });
    numbers.push(
      hash,
      offset,
      elementBytes,
      start,
      elements,
      outer,
      ...sizes.slice(0, outer),
      ...strides.slice(0, outer),
    );
  }
  return Float64Array.from(numbers);
}

/** `cuda:1` needs two GPUs. What else `device` may be wrong in, the addon says. */
function refuseMissingGpu(raw: RawAddon, device: string): void {
  const index = /^cuda(?::(\d+))?$/.exec(device);
  if (!index) return;
  const fault = deviceFault(
    'cuda',
    convertErrors(() => raw.describe()),
    { ranks: 1, localRanks: 1 + Number(index[1] ?? 0) },
  );
  if (fault) throw fault;
}

function convertErrors<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toNativeError(error);
  }
}

async function convertRejections<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toNativeError(error);
  }
}
