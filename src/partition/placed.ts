/**
 * The placed graph: every op with its assignment, every value in the layouts it exists in, every reshard explicit.
 *
 * Types stay global; a layout says which block each rank of the value's group holds. A graph value may have several versions, one a
 * layout; each is a placed value of its own.
 */
import type { Attributes, InputKind, Source } from '../ir/graph.js';
import type { Role } from '../ir/role.js';
import { printLayout, type Layout } from '../ir/layout.js';
import type { Mesh } from '../ir/mesh.js';
import type { Assignment, OpRule } from '../ir/rule.js';
import { printType, type TensorType } from '../ir/type.js';
import { isLocal, type Move } from '../reshard/moves.js';
import type { PackedTensor } from './packing.js';
import type { Scope } from '../plan/scope.js';

/** Index into {@link PlacedGraph.values}. */
export type PlacedId = number;

export interface PlacedValue {
  readonly id: PlacedId;
  /** Unique: the graph value's name, and its layout where it is a reshard of another version. */
  readonly name: string;
  readonly type: TensorType;
  readonly layout: Layout;
  readonly group: number;
  /** How long one of it lasts: all that one step makes lasts equally long. */
  readonly scope: Scope;
}

export interface PlacedOp {
  readonly kind: 'op';
  readonly op: string;
  readonly rule: OpRule;
  readonly attributes: Attributes;
  readonly assignment: Assignment;
  readonly inputs: readonly PlacedId[];
  readonly outputs: readonly PlacedId[];
  readonly source: Source;
  readonly group: number;
}

/** One move of a reshard. `source` is the op that asked for it. */
export interface PlacedMove {
  readonly kind: 'move';
  readonly move: Move;
  readonly inputs: readonly [PlacedId];
  readonly outputs: readonly [PlacedId];
  readonly source: Source;
  readonly group: number;
}

/** The edge between two groups' meshes: tiles of `inputs[0]` sent to where they lie in `outputs[0]`. */
export interface PlacedTransfer {
  readonly kind: 'transfer';
  readonly inputs: readonly [PlacedId];
  readonly outputs: readonly [PlacedId];
  readonly source: Source;
  readonly group: number;
  readonly fromGroup: number;
}

/** The members of a bucket become the bucket: their blocks, one behind the other. Nothing moves. */
export interface PlacedPack {
  readonly kind: 'pack';
  /** Of each input the parameter that it belongs to, its global type and splits. */
  readonly members: readonly PackedTensor[];
  readonly inputs: readonly PlacedId[];
  readonly outputs: readonly [PlacedId];
  readonly source: Source;
  readonly group: number;
}

/** A bucket whose ranks have whole blocks becomes its members, again where they are. */
export interface PlacedUnpack {
  readonly kind: 'unpack';
  /** Of each output the parameter that it is, its global type and splits. */
  readonly members: readonly PackedTensor[];
  readonly inputs: readonly [PlacedId];
  readonly outputs: readonly PlacedId[];
  readonly source: Source;
  readonly group: number;
}

export type PlacedStep = PlacedOp | PlacedMove | PlacedTransfer | PlacedPack | PlacedUnpack;

export interface PlacedInput {
  readonly role: Role;
  /** Of its role, for people and hosts. */
  readonly name: string;
  readonly kind: InputKind;
  readonly value: PlacedId;
}

export interface PlacedOutput {
  readonly role: Role;
  /** Of its role, for people and hosts. */
  readonly name: string;
  readonly value: PlacedId;
}

export interface PlacedGraph {
  readonly name: string;
  readonly meshes: readonly Mesh[];
  readonly values: readonly PlacedValue[];
  readonly inputs: readonly PlacedInput[];
  readonly steps: readonly PlacedStep[];
  readonly outputs: readonly PlacedOutput[];
}

/** How many steps and outputs read each value. */
export function placedUses(graph: PlacedGraph): ReadonlyMap<PlacedId, number> {
  const counts = new Map<PlacedId, number>();
  const use = (id: PlacedId) => counts.set(id, (counts.get(id) ?? 0) + 1);
  graph.steps.forEach((step) => step.inputs.forEach(use));
  graph.outputs.forEach(({ value }) => use(value));
  return counts;
}

/** The step that makes each value; inputs have none. */
export function makersOf(graph: PlacedGraph): ReadonlyMap<PlacedId, PlacedStep> {
  const makers = new Map<PlacedId, PlacedStep>();
  for (const step of graph.steps) for (const output of step.outputs) makers.set(output, step);
  return makers;
}

/** Whether ranks exchange blocks in a step: a move that is not local. */
export const isExchange = (step: PlacedStep): boolean => step.kind === 'move' && !isLocal(step.move);

/** How long what a step makes is kept. */
export const scopeOf = ({ values }: Pick<PlacedGraph, 'values'>, { outputs }: PlacedStep): Scope =>
  values[outputs[0]].scope;

/** Prints a placed graph as a page: inputs, one line a step, outputs. */
export function printPlaced(graph: PlacedGraph): string {
  const show = (id: PlacedId) => printPlacedType(graph, id);
  return [
    ...graph.inputs.map((input) => `%${input.value} = input ${input.kind} '${input.name}' : ${show(input.value)}`),
    ...graph.steps.map((step) => printStep(graph, step)),
    ...graph.outputs.map((output) => `output '${output.name}' = %${output.value} : ${show(output.value)}`),
  ].join('\n');
}

/** One line of {@link printPlaced}. */
export function printStep(graph: PlacedGraph, step: PlacedStep): string {
  const list = (ids: readonly PlacedId[]) => ids.map((id) => `%${id}`).join(', ');
  const types = step.outputs.map((id) => printPlacedType(graph, id)).join(', ');
  const { path, phase } = step.source;
  return `${list(step.outputs)} = ${describeStep(step)}(${list(step.inputs)}) : ${types}  ; ${path} ${phase}`;
}

function printPlacedType(graph: PlacedGraph, id: PlacedId): string {
  const { type, layout, group } = graph.values[id];
  return `${printType(type)} ${printLayout(layout, type)}${graph.meshes.length > 1 ? ` @${group}` : ''}`;
}

export function describeStep(step: PlacedStep): string {
  if (step.kind === 'op') return step.op;
  if (step.kind === 'pack' || step.kind === 'unpack') return step.kind;
  if (step.kind === 'transfer') return `transfer {from=${step.fromGroup}}`;
  return `${step.move.kind} {axes=[${step.move.axes.join(' ')}]}`;
}
