/** The reference engine: every rank of a program in this process, in plain TypeScript, with the element types emulated. */
import type { OpRegistry } from '../../ir/op.js';
import { dtypeBytes } from '../../ir/dtype.js';
import { product } from '../../ir/type.js';
import { referenceKernels, type ReferenceKernels } from '../../ops/evaluate.js';
import type { Program, ProgramValue } from '../../program/program.js';
import {
  arenaMismatch,
  closed,
  deadlocked,
  noInstance,
  programFault,
  rankElsewhere,
  unknownValue,
  wrongElements,
} from '../diagnostics.js';
import { addContent, hashWords } from '../content_hash.js';
import type { Engine, HashedBlock, LoadedProgram, NonFinite, StepReport, ValuePlace } from '../engine.js';
import { decode, encode, isHostArray, type HostArray } from '../host_array.js';
import { Arena, type ArenaView } from './arena.js';
import { virtualRanks } from './execute.js';
import { Machine, type Observer } from './machine.js';
import { NonFiniteWatch } from './non_finite.js';
import { inOrder, type Policy } from './policy.js';
import { loadClasses, type VirtualRank } from './virtual_rank.js';
import { valuesWritten, type Watcher } from '../written.js';

export interface ReferenceEngineOptions {
  readonly registry?: OpRegistry;
  /** Default {@link inOrder}. */
  readonly policy?: Policy;
  /** The byte that memory is filled with before anything is written. Default 0. */
  readonly poison?: number;
}

export class ReferenceEngine implements Engine {
  readonly kind = 'reference';
  private readonly options: ReferenceEngineOptions;
  private readonly kernels: ReferenceKernels;
  private readonly arenas = new Map<number, Arena>();
  /** rank → persistent value → where its first program has it. */
  private readonly persistent = new Map<string, number>();
  private open = true;

  constructor(options: ReferenceEngineOptions = {}) {
    this.options = options;
    this.kernels = referenceKernels(options.registry);
  }

  get ranks(): readonly number[] {
    return [...this.arenas.keys()].sort((a, b) => a - b);
  }

  async load(program: Program): Promise<LoadedProgram> {
    this.assertOpen();
    const ranks = virtualRanks(program, loadClasses(program), ({ arenaBytes }, rank) => this.arenaOf(rank, arenaBytes));
    for (const rank of ranks) this.checkPersistent(rank);
    const byRank = new Map(ranks.map((rank) => [rank.rank, rank]));
    return {
      program,
      write: async (place, block) => this.write(byRank, place, block),
      read: async (place) => this.read(byRank, place),
      hash: async (tensors) => this.hash(byRank, tensors),
      run: async () => this.run(program, ranks),
      firstNonFinite: async () => this.firstNonFinite(program, ranks),
      watch: async (see) => void this.run(program, ranks, showing(see)),
    };
  }

  async close(): Promise<void> {
    this.open = false;
    this.arenas.clear();
  }

  /** The bytes of a rank's arena, as they are. */
  arena(rank: number): Uint8Array {
    const arena = this.arenas.get(rank);
    if (!arena) throw rankElsewhere({ rank, ranks: this.ranks });
    return arena.bytes;
  }

  private write(ranks: ReadonlyMap<number, VirtualRank>, place: ValuePlace, block: HostArray): void {
    const { rank, value, view } = this.find(ranks, place);
    if (block.length !== product(view.sizes) || !isHostArray(value.type.dtype, block)) {
      const kind = block.constructor.name;
      throw wrongElements({ name: place.name, rank: place.rank, type: value.type, elements: block.length, kind });
    }
    rank.arena.write(view, decode(value.type.dtype, block));
  }

  private read(ranks: ReadonlyMap<number, VirtualRank>, place: ValuePlace): HostArray {
    const { rank, value, view } = this.find(ranks, place);
    return encode(value.type.dtype, rank.arena.read(view));
  }

  private hash(ranks: ReadonlyMap<number, VirtualRank>, tensors: readonly (readonly HashedBlock[])[]): Uint32Array {
    const sums = new Uint32Array(tensors.length * hashWords);
    for (const [i, blocks] of tensors.entries()) {
      const own = sums.subarray(i * hashWords, (i + 1) * hashWords);
      for (const { place, box } of blocks) addContent(own, this.read(ranks, place), box);
    }
    return sums;
  }

  private firstNonFinite(program: Program, ranks: readonly VirtualRank[]): NonFinite | null {
    const watch = new NonFiniteWatch();
    this.run(program, ranks, watch.observe);
    return watch.found;
  }

  private run(program: Program, ranks: readonly VirtualRank[], observe?: Observer): StepReport {
    this.assertOpen();
    const start = performance.now();
    const machine = new Machine(ranks, {
      groups: program.groups,
      kernels: this.kernels,
      policy: this.options.policy ?? inOrder(),
      observe,
    });
    const { launches, deadlock, fault } = machine.run();
    if (fault)
      throw programFault({
        at: fault.instruction,
        reason: fault.reason,
        path: fault.launch?.instruction.source.path ?? '',
      });
    if (deadlock) {
      throw deadlocked({
        waits: deadlock.map((lane) => ({ at: lane.instruction, note: `waits for ${lane.waitsFor}` })),
      });
    }
    return { seconds: (performance.now() - start) / 1000, launches };
  }

  private find(
    ranks: ReadonlyMap<number, VirtualRank>,
    { rank: number, name, microbatch, elements }: ValuePlace,
  ): { readonly rank: VirtualRank; readonly value: ProgramValue; readonly view: ArenaView } {
    this.assertOpen();
    const rank = ranks.get(number);
    if (!rank) throw rankElsewhere({ rank: number, ranks: [...ranks.keys()] });
    const { values, results, name: className } = rank.rankClass;
    // A result and a data input may share a name (`tokens`): only the input has an instance for each microbatch.
    const named = values.findIndex((value) => value.name === name);
    const index = microbatch === undefined ? (results[name] ?? named) : named;
    if (index < 0) throw unknownValue({ name, rank: number, className, known: values.map((value) => value.name) });
    const value = values[index];
    const each = value.lifetime === 'data' || value.lifetime === 'microbatch';
    const view = each === (microbatch !== undefined) ? rank.instance(index, microbatch ?? null) : null;
    if (!view) throw noInstance({ name, rank: number, microbatch: microbatch ?? null, each });
    return { rank, value, view: elements ? runOf(view, elements) : view };
  }

  /** The rank's arena; one that is too small for a further program is grown, with what it holds. */
  private arenaOf(rank: number, bytes: number): Arena {
    const known = this.arenas.get(rank);
    if (known && known.bytes.length >= bytes) return known;
    const arena = known ?? new Arena(bytes, this.options.poison ?? 0);
    if (known) known.grow(bytes, this.options.poison ?? 0);
    this.arenas.set(rank, arena);
    return arena;
  }

  private checkPersistent(rank: VirtualRank): void {
    const { rankClass } = rank;
    const { values } = rankClass;
    for (const { at } of rankClass.before.values) {
      const offset = rank.instance(at, null)?.offset;
      if (offset === undefined) continue;
      const key = `${rank.rank} ${values[at].name}`;
      const known = this.persistent.get(key);
      if (known === undefined) this.persistent.set(key, offset);
      else if (known !== offset)
        throw arenaMismatch({ name: values[at].name, rank: rank.rank, offsets: [known, offset] });
    }
  }

  private assertOpen(): void {
    if (!this.open) throw closed({});
  }
}

/** Shows what launches write to `see`. */
const showing =
  (see: Watcher): Observer =>
  (rank, launch) => {
    for (const value of valuesWritten(rank.rankClass, launch))
      see({ rank: rank.rank, launch, value, block: rank.arena.read(rank.view(value, launch.step)) });
  };

/** A run of a contiguous block. */
const runOf = ({ dtype, offset }: ArenaView, [from, to]: readonly [number, number]): ArenaView => ({
  dtype,
  offset: offset + from * dtypeBytes[dtype],
  sizes: [to - from],
  strides: [1],
});
