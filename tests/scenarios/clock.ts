/**
 * Programs against a clock: when each instruction of every rank begins and ends, if a slot of a chunk takes a given time, a message takes a
 * given time, and all else takes none. A slot takes its time at its first kernel, so that what it makes is there at its end, as published
 * formulae have it: programs send a value as soon as it is made.
 *
 * The times are those of the lanes as the program orders them: an instruction begins when the one before it on its lane has ended; a wait
 * ends with its signal; a message travels when its send and its receive have both begun. Observes a run of the reference engine, whose
 * order of execution does not matter.
 */
import { inOrder, type Observer, type VirtualRank } from '../../src/engine/reference/index.js';
import type { Instruction, Lane, RankClass, ScheduleStep } from '../../src/program/program.js';
import { baseOf } from '../../src/program/place.js';
import { operandsOf } from '../../src/program/kinds.js';
import { instanceKey, instructionsOf, isPerMicrobatch, type Launch } from '../../src/program/unroll.js';
import type { Direction } from '../../src/schedule/slot.js';
import type { Scenario } from './scenario.js';

export interface SlotTimes {
  /** Of a whole slot of a chunk. `backward` where weight slots make the gradients of weights; elsewhere it takes both. */
  readonly seconds: Readonly<Record<Direction, number>>;
  readonly message: number;
}

/** A rank's step by the clock. */
export interface TimedRank {
  readonly rank: number;
  readonly begin: number;
  readonly end: number;
  readonly busy: number;
  /**
   * Most instances (a chunk, a microbatch) at once of which the rank holds something that forward made and that is read later: each from
   * the begin of its forward to the end of its last reader.
   */
  readonly peak: number;
}

/** Runs the step once. Every group is one rank. */
export function runTimed(scenario: Scenario, times: SlotTimes): readonly TimedRank[] {
  const clock = new Clock(times);
  const { fault, deadlock } = scenario.parallel({ policy: inOrder(), observe: clock.observe });
  if (fault ?? deadlock) throw new Error(JSON.stringify(fault ?? deadlock!.map(({ waitsFor }) => waitsFor)));
  return clock.ranks();
}

/** The work of one slot. */
interface SlotWork {
  readonly direction: Direction;
  /** Its first kernel. */
  readonly first: Instruction;
}

/** What a rank's clock knows. */
interface RankClock {
  readonly free: Map<Lane, number>;
  /** launch → when it ended. */
  readonly ended: Map<number, number>;
  /** Chunk and microbatch → from the begin of its forward to the end of its last reader so far. */
  readonly held: Map<string, { readonly from: number; to: number }>;
  /** Instances of values that kernels of a forward touched. */
  readonly touched: Set<string>;
  begin: number;
  end: number;
  busy: number;
}

class Clock {
  private readonly times: SlotTimes;
  private readonly clocks = new Map<number, RankClock>();
  private readonly slots = new Map<RankClass, ReadonlyMap<ScheduleStep, SlotWork>>();
  /** A send, until its receive is observed: right after it. */
  private sending: { readonly rank: VirtualRank; readonly launch: Launch } | null = null;

  constructor(times: SlotTimes) {
    this.times = times;
  }

  readonly observe: Observer = (rank, launch) => {
    const { instruction, index } = launch;
    const clock = this.of(rank);
    const ready = clock.free.get(instruction.lane) ?? 0;
    switch (instruction.kind) {
      case 'wait': {
        const signal = rank.loaded.waitsFor[index];
        return this.ends(rank, launch, Math.max(ready, signal < 0 ? 0 : clock.ended.get(signal)!));
      }
      case 'kernel': {
        const end = ready + this.kernelSeconds(rank, launch);
        this.noteKernel(rank, launch, ready, end);
        return this.ends(rank, launch, end);
      }
      case 'send':
        if (instruction.peers[rank.member] === null) return this.ends(rank, launch, ready);
        this.sending = { rank, launch };
        return;
      case 'receive': {
        if (instruction.peers[rank.member] === null) return this.ends(rank, launch, ready);
        const sent = this.sending!;
        const { lane } = sent.launch.instruction;
        const end = Math.max(ready, this.of(sent.rank).free.get(lane) ?? 0) + this.times.message;
        this.ends(sent.rank, sent.launch, end);
        return this.ends(rank, launch, end);
      }
      case 'collective':
        throw new Error('a group of several ranks has no clock here');
      default:
        return this.ends(rank, launch, ready);
    }
  };

  ranks(): readonly TimedRank[] {
    return [...this.clocks]
      .map(([rank, { begin, end, busy, held }]) => ({ rank, begin, end, busy, peak: mostAtOnce([...held.values()]) }))
      .sort((a, b) => a.rank - b.rank);
  }

  private of({ rank }: VirtualRank): RankClock {
    const known = this.clocks.get(rank);
    if (known) return known;
    const made = { free: new Map(), ended: new Map(), held: new Map(), touched: new Set<string>() };
    const clock: RankClock = { ...made, begin: Infinity, end: 0, busy: 0 };
    this.clocks.set(rank, clock);
    return clock;
  }

  private ends(rank: VirtualRank, { instruction, index }: Launch, at: number): void {
    const clock = this.of(rank);
    const end = rounded(at);
    clock.free.set(instruction.lane, end);
    clock.ended.set(index, end);
  }

  private kernelSeconds({ rankClass }: VirtualRank, { instruction, step, template }: Launch): number {
    if (instruction.source.phase === 'update') return 0;
    const { direction, first } = this.slotsOf(rankClass).get(step)!;
    if (instruction !== first) return 0;
    const { seconds } = this.times;
    const whole = direction === 'backward' && !isSplit(rankClass, template.chunk);
    return seconds[direction] + (whole ? seconds.weight : 0);
  }

  private noteKernel(rank: VirtualRank, { instruction, step, template }: Launch, from: number, end: number): void {
    const { phase } = instruction.source;
    if (phase === 'update') return;
    const clock = this.of(rank);
    clock.begin = Math.min(clock.begin, from);
    clock.end = Math.max(clock.end, rounded(end));
    clock.busy += end - from;
    const { values } = rank.rankClass;
    const name = `${template.chunk} ${step.microbatch}`;
    const instances = operandsOf(instruction)
      .map(({ value }) => baseOf(values, value))
      .filter((base) => isPerMicrobatch(values, base))
      .map((base) => instanceKey(values, base, step.microbatch));
    if (phase === 'forward') {
      instances.forEach((instance) => clock.touched.add(instance));
      if (!clock.held.has(name)) clock.held.set(name, { from, to: from });
    } else if (instances.some((instance) => clock.touched.has(instance))) {
      clock.held.get(name)!.to = rounded(end);
    }
  }

  private slotsOf(rankClass: RankClass): ReadonlyMap<ScheduleStep, SlotWork> {
    const known = this.slots.get(rankClass);
    if (known) return known;
    const bodies = new Map(rankClass.templates.map((template) => [template.name, instructionsOf(template)]));
    const made = new Map<ScheduleStep, SlotWork>();
    for (const step of rankClass.schedule) {
      const kernels = bodies
        .get(step.template)!
        .filter(({ kind, source: { phase } }) => kind === 'kernel' && phase !== 'update');
      if (kernels.length === 0) continue;
      const [first] = kernels;
      const direction = first.source.phase as Direction;
      if (kernels.some(({ source: { phase } }) => phase !== direction))
        throw new Error(`${step.template} has kernels of two directions`);
      made.set(step, { direction, first });
    }
    this.slots.set(rankClass, made);
    return made;
  }
}

/** Whether weight slots make the gradients of a chunk's weights. */
const isSplit = ({ templates }: RankClass, chunk: number): boolean =>
  templates.some((template) => template.chunk === chunk && template.name.startsWith('weight'));

/** Parts of a slot add up to it within this. */
const rounded = (seconds: number): number => Math.round(seconds * 1e9) / 1e9;

/** Half-open intervals: one that ends as another begins does not meet it. */
function mostAtOnce(intervals: readonly { readonly from: number; readonly to: number }[]): number {
  const ends = intervals.flatMap(({ from, to }) => [
    { at: rounded(from), adds: 1 },
    { at: to, adds: -1 },
  ]);
  ends.sort((a, b) => a.at - b.at || a.adds - b.adds);
  let [now, most] = [0, 0];
  for (const { adds } of ends) most = Math.max(most, (now += adds));
  return most;
}
