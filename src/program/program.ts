/**
 * The instruction set.
 *
 *   Program = one RankClass for each set of ranks whose text is equal: a group, and within it ranks with blocks of equal sizes.
 *   RankClass = values (buffers by name) + templates (text, once a direction, equal layers in loops) + schedule (which template, for
 *   which microbatch).
 *
 * Every operand names the value that it holds, and the verifier checks that the bytes really hold it. What depends on the rank
 * (origins, peers, regions of a block) is a function of its mesh coordinates, evaluated when the program is loaded.
 */
import type { Layout, Reduction } from '../ir/layout.js';
import type { AxisName, Coordinates, Mesh } from '../ir/mesh.js';
import type { Attributes, Source } from '../ir/graph.js';
import type { Role } from '../ir/role.js';
import type { OpRule, Assignment } from '../ir/rule.js';
import type { TensorType } from '../ir/type.js';
import type { KernelId } from '../kernels/chooser.js';
import type { PackedTensor } from '../partition/packing.js';
import type { PlacedId } from '../partition/placed.js';
import type { Move } from '../reshard/moves.js';

export interface Program {
  readonly classes: readonly RankClass[];
  /** Each with a mesh of its own; global rank = firstRank + rank in the mesh. */
  readonly groups: readonly Group[];
  /** Scheduled microbatches a step. */
  readonly microbatches: number;
}

export interface Group {
  readonly mesh: Mesh;
  readonly firstRank: number;
}

export interface RankClass {
  readonly name: string;
  readonly group: number;
  /** The ranks of the class, by their coordinates in the group's mesh. */
  readonly members: readonly Coordinates[];
  readonly values: readonly ProgramValue[];
  readonly templates: readonly Template[];
  readonly schedule: readonly ScheduleStep[];
  /** What must hold before a step, and what holds after it; equal for a training step. */
  readonly before: Contract;
  readonly after: Contract;
  /** Scalars that the host writes before a step; it writes every instance of every `data` value too. */
  readonly inputs: readonly ValueIndex[];
  /** Values that the host reads after a step, by name: sums over microbatches, and what the update gives. */
  readonly results: Readonly<Record<string, ValueIndex>>;
  /** Bytes of the arena, alignment included: the predicted peak. */
  readonly arenaBytes: number;
}

/** Index into {@link RankClass.values}. */
export type ValueIndex = number;

/**
 * persistent: one fixed address for all steps (parameters, optimizer state, scalars and results that the host writes and reads).
 * data: an instance for each microbatch, written by the host before the step. sum: one instance a step, to which every microbatch
 * contributes once; read when all have. step: one instance a step (what the update makes). microbatch: an instance for each
 * scheduled microbatch.
 */
export type Lifetime = 'persistent' | 'data' | 'sum' | 'step' | 'microbatch';

/** A value of the placed graphs that a program is made of: of one microbatch's step, or of the update. */
export interface GraphValue {
  readonly graph: 'step' | 'update';
  readonly value: PlacedId;
}

/**
 * What a value of a program is. stored: what the host writes, or what outlasts a step. sum: what the step gives in that role, over all
 * microbatches. updated: what lies in a stored one's place after the step. made: of the graphs. buffer: of messages, exchanges and kernels.
 */
export type ValueIdentity =
  | { readonly kind: 'stored' | 'sum' | 'updated'; readonly role: Role }
  | ({ readonly kind: 'made' } & GraphValue)
  | { readonly kind: 'buffer' };

/** A named value: a buffer of the arena, or a view of another value's. */
export interface ProgramValue {
  /** Unique within the class, for people and hosts: the graph's value, its layout where it has several, `blocks.0.mlp.up:3 {batch:data}`. */
  readonly name: string;
  readonly is: ValueIdentity;
  /** Sizes of this class's block. */
  readonly type: TensorType;
  /** Sizes of the whole value. */
  readonly global: TensorType;
  readonly layout: Layout;
  readonly lifetime: Lifetime;
  /** Null: a buffer of its own. Else elements of another value's buffer: nothing is copied. */
  readonly view: ValueView | null;
  /** Of a bucket whose contents the program names: the values that lie in it, one behind the other. Its bytes are theirs. */
  readonly parts: readonly ValueIndex[] | null;
  /** Of a persistent bucket: the tensors whose blocks it holds, for whoever writes and reads state by name. */
  readonly tensors: readonly PackedTensor[] | null;
}

export interface ValueView {
  /** A buffer: no view itself. */
  readonly of: ValueIndex;
  /** In elements of the viewed buffer. */
  readonly offset: number;
  /** One stride a factor of the type, in elements. */
  readonly strides: readonly number[];
  /** The op whose result is these elements; null where only the address is shared and an instruction writes the value there. */
  readonly made: ViewOp | null;
}

/** An op that moves no bytes. */
export interface ViewOp {
  readonly op: string;
  readonly rule: OpRule;
  readonly assignment: Assignment;
  readonly attributes: Attributes;
  readonly inputs: readonly ValueIndex[];
  /** All of its results, this value among them. */
  readonly outputs: readonly ValueIndex[];
  readonly source: Source;
}

/** How an instruction touches a value. An accumulating write adds this microbatch's contribution to what is there. */
export type Access = 'read' | 'write' | 'accumulate';

export interface Operand {
  readonly value: ValueIndex;
  readonly access: Access;
}

/**
 * compute; one for each communicator; for each group that it exchanges messages with, by its index, one for sends and one for receives: what
 * one pair of ranks sends one way stays in order, and nothing else waits for it. A single lane for both ways deadlocks 1F1B. `lane.ts`
 * names them.
 */
export type Lane = 'compute' | `group:${string}` | `send:${number}` | `receive:${number}`;

/**
 * An event is signalled by one instruction of a template; a wait means the latest earlier signal in launch order, or none. Where `each`
 * is set each microbatch has an event of its own: what is received ahead of its slot is waited for there, and not what is under way since.
 */
export type EventName = string;

interface InstructionBase {
  readonly lane: Lane;
  readonly source: Source;
}

export interface KernelInstruction extends InstructionBase {
  readonly kind: 'kernel';
  readonly op: string;
  /** Names and global sizes of factors; local sizes come from the operands' types. */
  readonly rule: OpRule;
  readonly assignment: Assignment;
  readonly attributes: Attributes;
  readonly inputs: readonly Operand[];
  readonly outputs: readonly Operand[];
  /** The entry of the kernel table by which it runs. */
  readonly kernel: KernelId;
  /** Workspace from the arena, as the kernel table declares it; null where the kernel takes none. */
  readonly scratch: ValueIndex | null;
}

/** One step of a move between layouts: local copies before and after one collective on contiguous buffers (`reshard/lower.ts`). */
export interface MoveInstruction extends InstructionBase {
  readonly kind: 'pack' | 'unpack';
  readonly move: Move;
  readonly global: TensorType;
  readonly input: Operand;
  readonly output: Operand;
}

/** Writes the neutral element of a move's reduction over its result, before the unpack that brings what a member has of it. */
export interface FillInstruction extends InstructionBase {
  readonly kind: 'fill';
  readonly move: Move;
  readonly global: TensorType;
  readonly output: Operand;
}

export interface CollectiveInstruction extends InstructionBase {
  readonly kind: 'collective';
  readonly move: Move;
  readonly global: TensorType;
  /** The group is derived: the ranks that differ from this one along these axes only. */
  readonly axes: readonly AxisName[];
  readonly reduction: Reduction | null;
  readonly input: Operand;
  readonly output: Operand;
  /** Workspace from the arena, as the kernel table declares it; null where the collective takes none. */
  readonly scratch: ValueIndex | null;
}

/** A value on its way from one group's mesh to another's. Which tiles travel between which ranks: `edges.ts`. */
export interface GroupEdge {
  readonly fromGroup: number;
  readonly toGroup: number;
  readonly global: TensorType;
  readonly from: Layout;
  readonly to: Layout;
}

/** Puts one message's tile into a send buffer, or takes it out of a receive buffer. Nothing where a member has no such message. */
export interface TileInstruction extends InstructionBase {
  readonly kind: 'pack_tile' | 'unpack_tile';
  readonly edge: GroupEdge;
  readonly message: number;
  readonly input: Operand;
  readonly output: Operand;
}

/** A tile sent to or received from a rank of another group; the peer and the region follow from the tiles' intersection. */
export interface TransferInstruction extends InstructionBase {
  readonly kind: 'send' | 'receive';
  readonly edge: GroupEdge;
  /** Which of the rank's messages along the edge. */
  readonly message: number;
  /** Global rank of the peer, one for each member of the class. Null: this member has no part in it. */
  readonly peers: readonly (number | null)[];
  /** Identifies the transfer on its channel: the value as which it lands. */
  readonly tag: GraphValue;
  readonly operand: Operand;
}

export interface EventInstruction extends InstructionBase {
  readonly kind: 'signal' | 'wait';
  readonly event: EventName;
  readonly each: boolean;
}

export type Instruction =
  | KernelInstruction
  | MoveInstruction
  | FillInstruction
  | CollectiveInstruction
  | TileInstruction
  | TransferInstruction
  | EventInstruction;

/**
 * Text of equal layers, once. Iteration i is the first one with every number moved i times (`loop.ts`); `fold.ts` finds loops. Buffers
 * need no such formula: their addresses stand in the schedule.
 */
export interface Loop {
  readonly kind: 'for';
  readonly times: number;
  readonly body: readonly Repeated[];
}

export interface Repeated {
  /** The instruction in the first iteration. */
  readonly first: Instruction;
  readonly strides: Strides;
}

/** How an instruction changes from one iteration to the next: what is added to its numbers. What is absent stays. */
export interface Strides {
  /** One for each operand, as `operandsOf` lists them: added to its value's index. */
  readonly operands?: readonly number[];
  /** One for each number in the text: `blocks.0.norm1` has two. */
  readonly path?: readonly number[];
  readonly segment?: readonly number[];
  readonly event?: readonly number[];
  /** One: of the value as which a message lands. */
  readonly tag?: readonly number[];
  /** Attributes that follow no formula, such as streams of randomness: a number for each iteration. */
  readonly attributes?: Readonly<Record<string, readonly number[]>>;
}

export interface Template {
  /** For people: `forward.first`, `backward of chunk 2`, `receive forward`. */
  readonly name: string;
  /** The chunk of the model in whose slots it runs. */
  readonly chunk: number;
  /** Read it through `instructionsOf`, which writes loops out. */
  readonly body: readonly (Instruction | Loop)[];
}

export interface ScheduleStep {
  readonly template: string;
  /** Scheduled microbatch; 0 for templates that run once a step. */
  readonly microbatch: number;
  /** Value → byte offset of its buffer in the arena during this step of the schedule. Views have none (they follow). */
  readonly offsets: Readonly<Record<ValueIndex, number>>;
}

export interface ContractEntry {
  /** The persistent value whose address it is. */
  readonly at: ValueIndex;
  /** The value that lies there: `at` itself before a step, its update after it. */
  readonly holds: ValueIndex;
}

export interface Contract {
  readonly values: readonly ContractEntry[];
}
