/** The native engine: one rank of a program in this process, on libtorch. */
import type { OpRegistry } from '../../ir/op.js';
import { dtypeBytes } from '../../ir/dtype.js';
import { elementsOf } from '../../ir/type.js';
import { deviceTypeOf } from '../../kernels/device.js';
import { baseOf } from '../../program/place.js';
import type { Program } from '../../program/program.js';
import { arenaMismatch, noInstance, rankElsewhere, unknownValue, wrongElements } from '../diagnostics.js';
import type { Engine, HashedBlock, LoadedProgram, StepReport, ValuePlace } from '../engine.js';
import { hostArray, isHostArray, type HostArray } from '../host_array.js';
import type { AddonEngine, AddonProgram, ArenaBox, NativeAddon } from './bridge.js';
import { loadAddon } from './bridge.js';
import { loadClass, placeOfRank, viewOf, type RankPlace } from './load_class.js';
import type { LaunchList } from './loaded_program.js';
import { firstNonFinite } from './non_finite.js';
import { watch } from './watch.js';

export interface NativeEngineOptions {
  readonly registry: OpRegistry;
  /** Global rank. */
  readonly rank: number;
  /** `cpu`, `cuda:0`. */
  readonly device: string;
  readonly threads: number;
  /** As much as the largest program that will be loaded takes. */
  readonly arenaBytes: number;
  /** Another build of the addon, and its streams, for tests. */
  readonly addon?: NativeAddon;
  readonly streams?: string;
}

/** A step of one rank, and where each launch lay in it. */
export interface NativeStepReport extends StepReport {
  /** The part in which the host waited for communication, or for the device. */
  readonly waitSeconds: number;
  /** Start, end and arrival of each launch; null unless asked for. */
  readonly trace: Float64Array | null;
  /** Bytes that libraries held at the most inside each launch; null but for traced steps on a GPU. */
  readonly libraryBytes: Float64Array | null;
}

export interface NativeProgram extends LoadedProgram {
  /** This rank's launches, as the executor reads them. */
  readonly launches: LaunchList;
  run(options?: { readonly trace?: boolean }): Promise<NativeStepReport>;
}

export class NativeEngine implements Engine {
  readonly kind = 'native';
  readonly ranks: readonly number[];
  /** The addon's engine: its store is how ranks meet. */
  readonly addon: AddonEngine;
  private readonly options: NativeEngineOptions;
  private readonly persistent = new Map<string, number>();
  private readonly windows = new Map<string, Uint8Array>();

  constructor(options: NativeEngineOptions) {
    const { device, threads, arenaBytes, rank, addon = loadAddon(), streams } = options;
    this.options = options;
    this.ranks = [rank];
    this.addon = addon.open({ device, threads, arenaBytes, streams });
  }

  async load(program: Program): Promise<NativeProgram> {
    const { registry, rank } = this.options;
    const device = deviceTypeOf(this.options.device);
    const place = placeOfRank(program, rank);
    this.checkPersistent(place);
    const launches = loadClass(registry, program, rank, device);
    const loaded: AddonProgram = await this.addon.load(launches);
    return {
      program,
      launches,
      write: (at, block) => this.write(place, at, block),
      read: (at) => this.read(place, at),
      hash: (tensors) => this.addon.hash(this.boxesOf(place, tensors), tensors.length),
      run: (options) => loaded.run(options),
      firstNonFinite: () => firstNonFinite(this.addon, { registry, program, rank, device }),
      watch: (see) => watch(this.addon, { registry, program, rank, device }, see),
    };
  }

  async close(): Promise<void> {
    this.windows.clear();
    this.addon.close();
  }

  private async write(place: RankPlace, at: ValuePlace, block: HostArray): Promise<void> {
    const { value, offset, elements } = this.find(place, at);
    const { dtype } = value.type;
    if (block.length !== elements || !isHostArray(dtype, block)) {
      const kind = block.constructor.name;
      throw wrongElements({ name: at.name, rank: at.rank, type: value.type, elements: block.length, kind });
    }
    const bytes = new Uint8Array(block.buffer, block.byteOffset, block.byteLength);
    if (bytes.length === 0) return;
    if (this.options.device === 'cpu') this.window(offset, bytes.length).set(bytes);
    else await this.addon.write(offset, bytes);
  }

  private async read(place: RankPlace, at: ValuePlace): Promise<HostArray> {
    const { value, offset, elements } = this.find(place, at);
    const array = hostArray(value.type.dtype, elements);
    const bytes = new Uint8Array(array.buffer);
    if (bytes.length === 0) return array;
    if (this.options.device === 'cpu') bytes.set(this.window(offset, bytes.length));
    else await this.addon.read(offset, bytes);
    return array;
  }

  private boxesOf(place: RankPlace, tensors: readonly (readonly HashedBlock[])[]): readonly ArenaBox[] {
    return tensors.flatMap((blocks, hash) =>
      blocks.map(({ place: at, box: { at: first, ...box } }) => {
        const { value, offset } = this.find(place, at);
        const elementBytes = dtypeBytes[value.type.dtype];
        return { hash, offset: offset + first * elementBytes, elementBytes, ...box };
      }),
    );
  }

  /** A window on the arena, made once: what is written and read every step then allocates nothing. */
  private window(offset: number, bytes: number): Uint8Array {
    const key = `${offset} ${bytes}`;
    const window = this.windows.get(key) ?? new Uint8Array(this.addon.memory(offset, bytes));
    this.windows.set(key, window);
    return window;
  }

  /** A value's block: persistent ones and results where any step of the schedule has them, others in their microbatch. */
  private find({ rankClass }: RankPlace, { rank, name, microbatch, elements }: ValuePlace) {
    if (rank !== this.options.rank) throw rankElsewhere({ rank, ranks: this.ranks });
    const { values, results, schedule, name: className } = rankClass;
    // The token ids of a microbatch and the token count of a step are both `tokens`.
    const named = values.findIndex((value) => value.name === name);
    const index = microbatch === undefined ? (results[name] ?? named) : named;
    if (index < 0) throw unknownValue({ name, rank, className, known: values.map((value) => value.name) });
    const value = values[index];
    const each = value.lifetime === 'data' || value.lifetime === 'microbatch';
    const base = baseOf(values, index);
    const step = schedule.findLast(
      (s) => s.offsets[base] !== undefined && (microbatch === undefined || s.microbatch === microbatch),
    );
    if (!step || each !== (microbatch !== undefined)) {
      throw noInstance({ name, rank, microbatch: microbatch ?? null, each });
    }
    const [from, to] = elements ?? [0, elementsOf(value.type)];
    const offset = viewOf(rankClass, index, step).offset + from * dtypeBytes[value.type.dtype];
    return { value, offset, elements: to - from };
  }

  private checkPersistent({ rankClass }: RankPlace): void {
    const { rank } = this.options;
    const { before, values, schedule } = rankClass;
    for (const { at } of before.values) {
      const step = schedule.find(({ offsets }) => offsets[baseOf(values, at)] !== undefined);
      if (!step) continue;
      const { offset } = viewOf(rankClass, at, step);
      const { name } = values[at];
      const known = this.persistent.get(name);
      if (known === undefined) this.persistent.set(name, offset);
      else if (known !== offset) throw arenaMismatch({ name, rank, offsets: [known, offset] });
    }
  }
}
