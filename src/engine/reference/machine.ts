/**
 * The lanes of all virtual ranks, run one instruction at a time in an order that a policy chooses.
 *
 * Lanes are queues, filled in launch order; an instruction is done when it has run, and has no effect before. A wait is done when the
 * latest earlier signal of its event in launch order is (none: at once). A collective runs when every member of its group has it at
 * the head of the same lane. The k-th send of a pair of ranks meets the k-th receive.
 */
import type { ReferenceKernels } from '../../ops/evaluate.js';
import { printTag } from '../../program/kinds.js';
import type { Program, CollectiveInstruction, TransferInstruction } from '../../program/program.js';
import type { Launch } from '../../program/unroll.js';
import { describeLaunch, describeRankLaunch } from './describe.js';
import { runCollective, runFill, runKernel, runMove, runTile, store, type Workspaces } from './instructions.js';
import type { Policy, Runnable } from './policy.js';
import type { LaneQueue, VirtualRank } from './virtual_rank.js';

/** A lane that cannot go on, and what it waits for. */
export interface BlockedLane {
  readonly rank: number;
  readonly launch: Launch;
  readonly instruction: string;
  readonly waitsFor: string;
}

/** An instruction that cannot run: members disagree, an address lies outside the arena, blocks do not fit. */
export interface Fault {
  readonly rank: number;
  /** Null: the host could not write a value before the step. */
  readonly launch: Launch | null;
  readonly instruction: string;
  readonly reason: string;
}

export interface RunOutcome {
  readonly launches: number;
  /** Null: every instruction ran. */
  readonly deadlock: readonly BlockedLane[] | null;
  readonly fault: Fault | null;
}

/** Told of each instruction that has run. */
export type Observer = (rank: VirtualRank, launch: Launch) => void;

export interface MachineOptions {
  readonly groups: Program['groups'];
  readonly kernels: ReferenceKernels;
  readonly workspaces?: Workspaces;
  readonly policy: Policy;
  readonly observe?: Observer;
}

interface Head {
  readonly rank: VirtualRank;
  readonly queue: LaneQueue;
  readonly launch: Launch;
}

interface Action extends Runnable {
  readonly heads: readonly Head[];
}

/** Bytes on their way: what an eager send left for its receive. */
interface Message {
  readonly tag: TransferInstruction['tag'];
  readonly values: Float64Array;
}

export class Machine {
  private readonly ranks: readonly VirtualRank[];
  private readonly byRank: ReadonlyMap<number, VirtualRank>;
  private readonly options: MachineOptions;
  private readonly channels = new Map<string, Message[]>();

  constructor(ranks: readonly VirtualRank[], options: MachineOptions) {
    this.ranks = ranks;
    this.byRank = new Map(ranks.map((rank) => [rank.rank, rank]));
    this.options = options;
  }

  /** Runs one step. */
  run(): RunOutcome {
    for (const rank of this.ranks) rank.begin();
    for (let launches = 0; ;) {
      const actions = this.runnable();
      if (actions.length === 0) return { launches, deadlock: this.blocked(), fault: null };
      const { heads } = actions[this.options.policy.choose(actions)];
      try {
        this.execute(heads);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        const [{ rank, launch }] = heads;
        const instruction = describeRankLaunch(rank, launch);
        return { launches, deadlock: null, fault: { rank: rank.rank, launch, instruction, reason: error.message } };
      }
      for (const { rank, queue, launch } of heads) {
        queue.head++;
        rank.done[launch.index] = 1;
        launches++;
        this.options.observe?.(rank, launch);
      }
    }
  }

  private runnable(): readonly Action[] {
    const actions: Action[] = [];
    for (const rank of this.ranks) {
      for (const queue of rank.queues) {
        const launch = queue.launches[queue.head];
        if (!launch) continue;
        const heads = this.ready({ rank, queue, launch });
        if (heads) {
          actions.push({
            heads,
            parts: heads.map((head) => ({ rank: head.rank.rank, lane: head.queue.lane, index: head.launch.index })),
          });
        }
      }
    }
    return actions;
  }

  /** All heads that run together with this one; null where it cannot run, or another of them speaks for all. */
  private ready(head: Head): readonly Head[] | null {
    const { rank, launch } = head;
    const { instruction } = launch;
    switch (instruction.kind) {
      case 'wait': {
        const signal = rank.loaded.waitsFor[launch.index];
        return signal < 0 || rank.done[signal] ? [head] : null;
      }
      case 'collective':
        return this.meeting(head, instruction);
      case 'send': {
        const peer = instruction.peers[rank.member];
        if (peer === null || this.options.policy.sends === 'eager') return [head];
        const receiver = this.receiverOf(peer, rank.rank);
        return receiver && [head, receiver];
      }
      case 'receive': {
        const peer = instruction.peers[rank.member];
        // With rendezvous the send speaks for both.
        if (peer !== null && !this.channels.get(channel(peer, rank.rank))?.length) return null;
        return [head];
      }
      default:
        return [head];
    }
  }

  /** The group's heads, if every member has reached a collective of this group on this lane and `head` is the first. */
  private meeting(head: Head, { axes }: CollectiveInstruction): readonly Head[] | null {
    const { rank, launch } = head;
    const group = rank.groupOf(axes);
    if (group[0] !== rank.meshRank) return null;
    const heads: Head[] = [];
    for (const member of group) {
      const other = this.byRank.get(rank.rank - rank.meshRank + member);
      const queue = other?.queues.find((q) => q.lane === launch.instruction.lane);
      const theirs = queue?.launches[queue.head];
      if (!other || !queue || theirs?.instruction.kind !== 'collective') return null;
      const otherGroup = other.groupOf(theirs.instruction.axes);
      if (otherGroup.length !== group.length || otherGroup.some((r, i) => r !== group[i])) return null;
      heads.push({ rank: other, queue, launch: theirs });
    }
    return heads;
  }

  private receiverOf(peer: number, sender: number): Head | null {
    const rank = this.byRank.get(peer);
    for (const queue of rank?.queues ?? []) {
      const launch = queue.launches[queue.head];
      if (launch?.instruction.kind === 'receive' && launch.instruction.peers[rank!.member] === sender) {
        return { rank: rank!, queue, launch };
      }
    }
    return null;
  }

  private execute(heads: readonly Head[]): void {
    const [{ rank, launch }] = heads;
    const { instruction, step } = launch;
    switch (instruction.kind) {
      case 'kernel':
        return runKernel(rank, instruction, launch, this.options.kernels, this.options.workspaces);
      case 'pack':
      case 'unpack':
        return runMove(rank, instruction, step);
      case 'fill':
        return runFill(rank, instruction, step);
      case 'pack_tile':
      case 'unpack_tile':
        return runTile(rank, this.options.groups, instruction, step);
      case 'collective':
        return runCollective(heads, rank.groupOf(instruction.axes), this.options.workspaces);
      case 'send':
        return this.send(heads[0], heads[1] ?? null, instruction);
      case 'receive': {
        const peer = instruction.peers[rank.member];
        if (peer !== null) receive(heads[0], this.channels.get(channel(peer, rank.rank))!.shift()!);
        return;
      }
      case 'signal':
      case 'wait':
        return;
      default:
        instruction satisfies never;
    }
  }

  private send({ rank, launch }: Head, receiver: Head | null, { peers, operand, tag }: TransferInstruction): void {
    const peer = peers[rank.member];
    if (peer === null) return;
    const message: Message = { tag, values: rank.arena.read(rank.view(operand.value, launch.step)) };
    if (receiver) return receive(receiver, message);
    const key = channel(rank.rank, peer);
    const queue = this.channels.get(key);
    if (queue) queue.push(message);
    else this.channels.set(key, [message]);
  }

  /** Who waits for what; null where every lane has come to its end. */
  private blocked(): readonly BlockedLane[] | null {
    const lanes = this.ranks.flatMap((rank) =>
      rank.queues
        .filter((queue) => queue.head < queue.launches.length)
        .map((queue): BlockedLane => {
          const launch = queue.launches[queue.head];
          const instruction = describeRankLaunch(rank, launch);
          return { rank: rank.rank, launch, instruction, waitsFor: this.whatBlocks({ rank, queue, launch }) };
        }),
    );
    return lanes.length > 0 ? lanes : null;
  }

  private whatBlocks({ rank, launch }: Head): string {
    const { instruction } = launch;
    switch (instruction.kind) {
      case 'wait': {
        const signal = rank.loaded.launches[rank.loaded.waitsFor[launch.index]];
        return `event '${instruction.event}', which ${describeLaunch(signal)} signals`;
      }
      case 'collective': {
        const group = rank.groupOf(instruction.axes).map((r) => rank.rank - rank.meshRank + r);
        const late = group.filter((r) => r !== rank.rank).map((r) => `rank ${r} (${this.atLane(r, instruction.lane)})`);
        return late.join(', ');
      }
      case 'send':
        return `a receive by rank ${instruction.peers[rank.member]}`;
      case 'receive':
        return `a send by rank ${instruction.peers[rank.member]}`;
      default:
        return 'nothing';
    }
  }

  private atLane(rank: number, lane: string): string {
    const queue = this.byRank.get(rank)?.queues.find((q) => q.lane === lane);
    const launch = queue?.launches[queue.head];
    return launch ? `at ${describeLaunch(launch)}` : 'at the end of its lane';
  }
}

function receive({ rank, launch }: Head, message: Message): void {
  const { operand, tag } = launch.instruction as TransferInstruction;
  if (tag.graph !== message.tag.graph || tag.value !== message.tag.value)
    throw new RangeError(`it receives ${printTag(tag)} and is sent ${printTag(message.tag)}`);
  store(rank, operand, launch.step, message.values);
}

const channel = (from: number, to: number): string => `${from}>${to}`;
