/**
 * A program against a clock: all ranks, each launch as the native engine would begin it, at stated prices. What computes is one lane;
 * communication begins when all its ranks have come to it and what is before it on their lanes is done, and is waited for where the text
 * says so. Prices are all that is known of a machine: ranks do not disturb each other.
 */
import { groupOf } from '../../src/ir/mesh.js';
import { placeOfRank, type RankPlace } from '../../src/engine/native/load_class.js';
import type { InstructionPrice } from '../../src/lower/instruction_price.js';
import { printTag } from '../../src/program/kinds.js';
import type {
  CollectiveInstruction,
  Instruction,
  Lane,
  Program,
  RankClass,
  TransferInstruction,
} from '../../src/program/program.js';
import { eventOf, unroll, type Launch } from '../../src/program/unroll.js';

export type Meeting = CollectiveInstruction | TransferInstruction;

/** What a rank does, or waits for, from when to when. */
export interface ClockedSpan {
  readonly rank: number;
  readonly what: 'compute' | 'wait' | 'meet';
  /** `wait`: the lane that is waited for. */
  readonly lane: Lane;
  readonly launch: Launch;
  readonly begin: number;
  readonly end: number;
}

export interface ClockedProgram {
  /** When the last rank is done. */
  readonly seconds: number;
  /** Of no length left out; of each rank in the order in which they ended. */
  readonly spans: readonly ClockedSpan[];
}

/** Runs a step of all ranks. Throws where they wait for each other in a circle, which a verified program does not. */
export function clockProgram(
  program: Program,
  priceOf: (instruction: Instruction, of: RankClass) => Pick<InstructionPrice, 'seconds'>,
): ClockedProgram {
  const spans: ClockedSpan[] = [];
  const meetings = new Map<string, Communication>();
  const ranks = ranksOfProgram(program).map(
    (rank) => new ClockedRank(rank, placeOfRank(program, rank), { priceOf, meetings, spans }),
  );
  for (let left = ranks; left.length > 0;) {
    const done = left.filter((rank) => rank.advance());
    if (done.length === 0 && left.every((rank) => !rank.hasMoved))
      throw new Error(`ranks ${left.map(({ rank }) => rank).join(', ')} wait for each other`);
    left = left.filter((rank) => !done.includes(rank));
  }
  return { seconds: Math.max(...ranks.map((rank) => rank.endOfAll())), spans: spans.filter((s) => s.end > s.begin) };
}

const ranksOfProgram = ({ classes }: Program): readonly number[] =>
  Array.from({ length: classes.reduce((sum, { members }) => sum + members.length, 0) }, (_, rank) => rank);

/** One collective or message, as its ranks come to it. */
class Communication {
  private readonly parties: number;
  private readonly seconds: number;
  private readonly arrived: { readonly at: number; readonly before: Communication | null }[] = [];
  private span: { readonly begin: number; readonly end: number } | null = null;

  constructor(parties: number, seconds: number) {
    this.parties = parties;
    this.seconds = seconds;
  }

  /** A rank comes to it, behind what it began before on the same lane. */
  arrive(at: number, before: Communication | null): void {
    this.arrived.push({ at, before });
  }

  /** Null while a rank, or what is before it on a rank's lane, is not there yet. */
  when(): { readonly begin: number; readonly end: number } | null {
    if (this.span || this.arrived.length < this.parties) return this.span;
    let begin = 0;
    for (const { at, before } of this.arrived) {
      const known = before === null ? null : before.when();
      if (before !== null && known === null) return null;
      begin = Math.max(begin, at, known?.end ?? 0);
    }
    return (this.span = { begin, end: begin + this.seconds });
  }
}

interface Shared {
  readonly priceOf: (instruction: Instruction, of: RankClass) => Pick<InstructionPrice, 'seconds'>;
  readonly meetings: Map<string, Communication>;
  readonly spans: ClockedSpan[];
}

interface OnLane {
  readonly communication: Communication;
  readonly launch: Launch;
}

class ClockedRank {
  readonly rank: number;
  /** Whether the last call of {@link advance} came further. */
  hasMoved = false;
  private readonly place: RankPlace;
  private readonly shared: Shared;
  private readonly launches: readonly Launch[];
  private readonly last = new Map<Lane, OnLane>();
  private readonly events = new Map<string, OnLane>();
  private readonly met = new Map<string, number>();
  private readonly begun: OnLane[] = [];
  private next = 0;
  private now = 0;

  constructor(rank: number, place: RankPlace, shared: Shared) {
    this.rank = rank;
    this.place = place;
    this.shared = shared;
    this.launches = [...unroll(place.rankClass)];
  }

  /** Goes on as far as it can; true where it has come to the end. */
  advance(): boolean {
    const from = this.next;
    while (this.next < this.launches.length && this.run(this.launches[this.next])) this.next++;
    this.hasMoved = this.next > from;
    return this.next === this.launches.length;
  }

  /** When what it has begun is done too; all ranks have come to the end. */
  endOfAll(): number {
    for (const { communication, launch } of this.begun) {
      const { begin, end } = communication.when()!;
      this.now = Math.max(this.now, end);
      this.shared.spans.push({ rank: this.rank, what: 'meet', lane: launch.instruction.lane, launch, begin, end });
    }
    return this.now;
  }

  /** False where it has to wait for what nobody knows yet. */
  private run(launch: Launch): boolean {
    const { instruction, step } = launch;
    switch (instruction.kind) {
      case 'collective':
      case 'send':
      case 'receive':
        this.begin(instruction, launch);
        return true;
      case 'signal': {
        const last = this.last.get(instruction.lane);
        if (last) this.events.set(eventOf(instruction, step), last);
        return true;
      }
      case 'wait': {
        const event = this.events.get(eventOf(instruction, step));
        return instruction.lane !== 'compute' || event === undefined || this.waitFor(event);
      }
      default: {
        const { seconds } = this.shared.priceOf(instruction, this.place.rankClass);
        this.span('compute', instruction.lane, launch, this.now + seconds);
        return true;
      }
    }
  }

  private waitFor({ communication, launch }: OnLane): boolean {
    const known = communication.when();
    if (known === null) return false;
    if (known.end > this.now) this.span('wait', launch.instruction.lane, launch, known.end);
    return true;
  }

  private span(what: 'compute' | 'wait', lane: Lane, launch: Launch, end: number): void {
    this.shared.spans.push({ rank: this.rank, what, lane, launch, begin: this.now, end });
    this.now = end;
  }

  private begin(instruction: Meeting, launch: Launch): void {
    const meeting = this.meetingOf(instruction);
    if (meeting === null) return;
    const number = this.met.get(meeting.key) ?? 0;
    this.met.set(meeting.key, number + 1);
    const key = `${meeting.key}, ${number}`;
    const { seconds } = this.shared.priceOf(instruction, this.place.rankClass);
    const communication = this.shared.meetings.get(key) ?? new Communication(meeting.parties, seconds);
    this.shared.meetings.set(key, communication);
    communication.arrive(this.now, this.last.get(instruction.lane)?.communication ?? null);
    const begun = { communication, launch };
    this.begun.push(begun);
    this.last.set(instruction.lane, begun);
  }

  /** Whom a launch meets, as all of them name it; null where this rank has no part in it. */
  private meetingOf(instruction: Meeting): { readonly key: string; readonly parties: number } | null {
    const { mesh, at, firstRank, member } = this.place;
    if (instruction.kind === 'collective') {
      const ranks = groupOf(mesh, instruction.axes, at).map((rank) => rank + firstRank);
      return { key: `${instruction.lane} of ${ranks.join(' ')}`, parties: ranks.length };
    }
    const peer = instruction.peers[member];
    if (peer === null) return null;
    const ends = instruction.kind === 'send' ? [this.rank, peer] : [peer, this.rank];
    return { key: `${ends.join(' to ')}, ${printTag(instruction.tag)}`, parties: 2 };
  }
}
