/** One virtual rank: its class's launches, queued by lane, its arena, and what is done. */
import { groupOf, rankAt, type AxisName, type Coordinates, type Mesh } from '../../ir/mesh.js';
import { sizesOf, type TensorType } from '../../ir/type.js';
import type { LaunchForm } from '../../ops/launch.js';
import { messagesOf } from '../../program/edges.js';
import type { Lane, Program, RankClass, ScheduleStep, GroupEdge, ValueIndex } from '../../program/program.js';
import { baseOf, placeOf } from '../../program/place.js';
import { eventOf, unroll, type Launch } from '../../program/unroll.js';
import type { TileTransfer } from '../../reshard/cross_mesh.js';
import { lowerMove, type LoweredMove } from '../../reshard/lower.js';
import type { Move } from '../../reshard/moves.js';
import type { Arena, ArenaView } from './arena.js';

/** Launches of one lane, in launch order. */
export interface LaneQueue {
  readonly lane: Lane;
  readonly launches: readonly Launch[];
  /** The next to run. */
  head: number;
}

/** What the launches of a class are, apart from any rank: shared by its members. */
export interface LoadedClass {
  readonly rankClass: RankClass;
  readonly launches: readonly Launch[];
  readonly lanes: readonly { readonly lane: Lane; readonly launches: readonly Launch[] }[];
  /** launch → the launch whose signal it waits for; -1 where there is none. */
  readonly waitsFor: Int32Array;
  /** Where values lie during a step of the schedule, once asked for. */
  readonly views: Map<ScheduleStep, (ArenaView | undefined)[]>;
  /** What each member does for a move, once asked for. */
  readonly moves: Map<Move, (LoweredMove | undefined)[]>;
  /** launch of a kernel → what each member launches, once asked for. */
  readonly forms: (LaunchForm | undefined)[][];
  /** Each member's messages along an edge between groups, once asked for: outgoing on its source group, else incoming. */
  readonly messages: Map<GroupEdge, (readonly TileTransfer[] | undefined)[]>;
}

/** The classes of a program, ready for any number of executions. */
export const loadClasses = (program: Program): readonly LoadedClass[] => program.classes.map(loadClass);

function loadClass(rankClass: RankClass): LoadedClass {
  const launches = [...unroll(rankClass)];
  const byLane = new Map<Lane, Launch[]>();
  const signals = new Map<string, number>();
  const waitsFor = new Int32Array(launches.length).fill(-1);
  for (const launch of launches) {
    const { instruction, index } = launch;
    const queue = byLane.get(instruction.lane);
    if (queue) queue.push(launch);
    else byLane.set(instruction.lane, [launch]);
    if (instruction.kind === 'signal') signals.set(eventOf(instruction, launch.step), index);
    if (instruction.kind === 'wait') waitsFor[index] = signals.get(eventOf(instruction, launch.step)) ?? -1;
  }
  const lanes = [...byLane].map(([lane, queue]) => ({ lane, launches: queue }));
  return { rankClass, launches, lanes, waitsFor, views: new Map(), moves: new Map(), forms: [], messages: new Map() };
}

export class VirtualRank {
  /** Global rank. */
  readonly rank: number;
  readonly group: number;
  readonly mesh: Mesh;
  /** Rank within the group's mesh. */
  readonly meshRank: number;
  readonly at: Coordinates;
  /** Position among the members of its class. */
  readonly member: number;
  readonly loaded: LoadedClass;
  readonly arena: Arena;
  queues: LaneQueue[] = [];
  /** launch → 1 when it has finished. */
  done = new Uint8Array(0);
  private readonly groups = new Map<readonly AxisName[], readonly number[]>();

  constructor(program: Program, loaded: LoadedClass, member: number, arena: Arena) {
    const { mesh, firstRank } = program.groups[loaded.rankClass.group];
    this.group = loaded.rankClass.group;
    this.mesh = mesh;
    this.at = loaded.rankClass.members[member];
    this.meshRank = rankAt(mesh, this.at);
    this.rank = firstRank + this.meshRank;
    this.member = member;
    this.loaded = loaded;
    this.arena = arena;
  }

  get rankClass(): RankClass {
    return this.loaded.rankClass;
  }

  /** Makes everything of a step due again. */
  begin(): void {
    this.queues = this.loaded.lanes.map(({ lane, launches }) => ({ lane, launches, head: 0 }));
    this.done = new Uint8Array(this.loaded.launches.length);
  }

  /** Where a value lies during a step of the schedule. Throws a RangeError where the schedule gives it no address. */
  view(value: ValueIndex, step: ScheduleStep): ArenaView {
    const { values } = this.rankClass;
    const known = cached(this.loaded.views, step);
    return (known[value] ??= viewAt(values, value, step.offsets));
  }

  /** What this rank does for a move of a value of a global type. */
  lowered(move: Move, global: TensorType): LoweredMove {
    return (cached(this.loaded.moves, move)[this.member] ??= lowerMove(this.mesh, global, move, this.at));
  }

  /** What this rank launches a kernel with, apart from the numbers; `make` makes it the first time. */
  form(launch: number, make: () => LaunchForm): LaunchForm {
    const known = (this.loaded.forms[launch] ??= []);
    return (known[this.member] ??= make());
  }

  /** The ranks of its mesh that meet in a collective over these axes, this one among them. */
  groupOf(axes: readonly AxisName[]): readonly number[] {
    let group = this.groups.get(axes);
    if (!group) this.groups.set(axes, (group = groupOf(this.mesh, axes, this.at)));
    return group;
  }

  /** The messages that this rank sends along an edge, or those that it receives. */
  messages(groups: Program['groups'], edge: GroupEdge): readonly TileTransfer[] {
    const direction = edge.fromGroup === this.group ? 'outgoing' : 'incoming';
    return (cached(this.loaded.messages, edge)[this.member] ??= messagesOf(groups, edge, direction)(this.at));
  }

  /** Where a value lies at an instance's place in the schedule: the last that names it. Null where no instruction touches it. */
  instance(value: ValueIndex, microbatch: number | null): ArenaView | null {
    const { values, schedule } = this.rankClass;
    const base = baseOf(values, value);
    for (let i = schedule.length - 1; i >= 0; i--) {
      const step = schedule[i];
      if ((microbatch === null || step.microbatch === microbatch) && step.offsets[base] !== undefined) {
        return viewAt(values, value, step.offsets);
      }
    }
    return null;
  }
}

/** Where the ranks of a program run: one class and member each, by global rank. */
export function placeRanks(
  program: Program,
): readonly { readonly rank: number; readonly classIndex: number; readonly member: number }[] {
  const placed = program.classes.flatMap((rankClass, classIndex) =>
    rankClass.members.map((at, member) => {
      const { mesh, firstRank } = program.groups[rankClass.group];
      return { rank: firstRank + rankAt(mesh, at), classIndex, member };
    }),
  );
  return placed.sort((a, b) => a.rank - b.rank);
}

function cached<K, V>(map: Map<K, V[]>, key: K): V[] {
  let list = map.get(key);
  if (!list) map.set(key, (list = []));
  return list;
}

function viewAt(values: RankClass['values'], index: ValueIndex, offsets: Launch['step']['offsets']): ArenaView {
  const { name, type } = values[index];
  const { base, offset, strides } = placeOf(values, index);
  const start = offsets[base];
  if (start === undefined) throw new RangeError(`'${name}' has no address here`);
  return { dtype: type.dtype, offset: start + offset, sizes: sizesOf(type), strides };
}
