/**
 * The graph: one typed IR from tracing to the placed program.
 *
 * Values are in single assignment and listed in topological order by their nodes. A graph is immutable; passes build new ones with a
 * {@link GraphBuilder}. Its grammar is in `print.ts`.
 */
import type { Role } from './role.js';
import type { OpRule } from './rule.js';
import type { TensorType } from './type.js';

declare const valueBrand: unique symbol;
/** Index of a value in its graph. */
export type ValueId = number & { readonly [valueBrand]: true };

export type AttributeValue = number | string | boolean | readonly number[] | readonly string[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

/**
 * The directions of a schedule (`weight`: gradients of weights, where it splits them from the backward), and `update`, which runs once a step
 * after the last microbatch.
 */
export type Phase = 'forward' | 'backward' | 'weight' | 'update';

/** Where a node comes from: what every message about it names. */
export interface Source {
  /** Module path, `blocks.0.attention.qkv`, as in checkpoints. */
  readonly path: string;
  readonly phase: Phase;
  /** The segment it belongs to: `embedding`, `blocks.0`, `head`. */
  readonly segment: string;
}

export interface Value {
  readonly id: ValueId;
  readonly type: TensorType;
  /** The node that makes it; null for a graph input. */
  readonly node: Node | null;
}

export interface Node {
  /** Position in the graph's order. */
  readonly id: number;
  readonly op: string;
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
  readonly attributes: Attributes;
  readonly rule: OpRule;
  readonly source: Source;
  /** For a backward node, the forward node that it differentiates: its assignment is inherited. */
  readonly from: number | null;
}

/** Decides an input's storage, its lifetime and who fills it; a value is a gradient or a result of another graph. */
export type InputKind = 'parameter' | 'state' | 'data' | 'scalar' | 'value';

export interface GraphInput {
  readonly role: Role;
  /** Of its role, for people and hosts. */
  readonly name: string;
  readonly kind: InputKind;
  readonly value: ValueId;
}

export interface GraphOutput {
  readonly role: Role;
  /** Of its role, for people and hosts. */
  readonly name: string;
  readonly value: ValueId;
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly GraphInput[];
  readonly nodes: readonly Node[];
  readonly outputs: readonly GraphOutput[];
  readonly values: readonly Value[];
}

export const typeOf = (graph: Graph, value: ValueId): TensorType => graph.values[value].type;

/** The nodes that read a value, in order, each once. */
export function readersOf({ nodes }: Graph): (value: ValueId) => readonly Node[] {
  const found = new Map<ValueId, Node[]>();
  for (const node of nodes) {
    for (const input of node.inputs) {
      const readers = found.get(input);
      if (!readers) found.set(input, [node]);
      else if (readers[readers.length - 1] !== node) readers.push(node);
    }
  }
  return (value) => found.get(value) ?? [];
}
