/**
 * Which parameters may lie in one bucket (`buckets.ts`): those of one chunk, one dtype and one of gradients, split over the same axes; an
 * optimizer treats matrices and vectors apart (weight decay), so a bucket holds one sort. Where gradients are reduced each microbatch, or
 * weights gathered for each segment, those that one segment is the first to read; a parameter of several segments is alone.
 *
 * A parameter of several chunks (a tied embedding) is alone too, where ZeRO cuts its bucket. Each chunk gives a gradient of its own, which
 * the update adds. Of several groups the first updates it and each stores a copy, cut over its own ranks. The elements of all copies have
 * one order: where meshes split it otherwise, it is in no bucket.
 */
import type { DType } from '../ir/dtype.js';
import { readersOf, type Graph, type Node, type ValueId } from '../ir/graph.js';
import { axesSize, type Mesh } from '../ir/mesh.js';
import { castTo, type OpRegistry } from '../ir/op.js';
import { parameterRole, roleKey } from '../ir/role.js';
import { bytesOf, type TensorType } from '../ir/type.js';
import { meshesOf, type Plan } from '../plan/plan.js';
import { packedAxes, piecesOf, type PackedTensor } from './packing.js';
import { segmentChunks, segmentGroups } from './placement.js';
import { isStoredInParts, layoutOn, reducesEach, splitsState, zeroAxes } from './storage.js';

export interface Candidate extends Pick<PackedTensor, 'name' | 'type'> {
  /** The groups that read it, first to last, each with the chunks of it that give a gradient. */
  readonly groups: ReadonlyMap<number, readonly (number | null)[]>;
  /** Of the node that makes the gradient, or the last part of it. */
  readonly segment: string;
  readonly matrix: boolean;
  readonly compute: DType;
  readonly gradient: DType;
  /** Position of that node. */
  readonly completed: number;
  /** Bytes of a rank's block. */
  readonly bytes: number;
  /** Equal for those that may share a bucket. */
  readonly key: string;
}

/** Parameters that may lie in a bucket, in the order in which their gradients are completed. */
export function candidatesOf(
  plan: Plan,
  registry: OpRegistry,
  step: Graph,
  homesOfInputs: ReadonlyMap<string, readonly number[]>,
  parameters: ReadonlyMap<string, TensorType>,
): readonly Candidate[] {
  const inputs = new Map(step.inputs.map(({ role, value }) => [roleKey(role), value]));
  const readers = readersOf(step);
  const meshes = meshesOf(plan);
  const chunkOf = segmentChunks(plan);
  const groupOf = segmentGroups(plan);
  return [...gradientsIn(step)]
    .flatMap(([name, gradients]): Candidate[] => {
      const key = roleKey(parameterRole(name));
      const type = parameters.get(name);
      const homes = homesOfInputs.get(key) ?? [];
      const gradient = gradients[0].type.dtype;
      const whole = gradients.every(({ type: { dtype }, isShared }) => dtype === gradient && !isShared);
      if (!type || !whole || homes.length === 0) return [];
      const makers = gradients.map(({ node }) => groupOf(node.source.segment));
      if (makers.some((group) => !homes.includes(group))) return [];
      const groups = new Map(
        homes.map((group) => [group, gradients.filter((_, i) => makers[i] === group).map(({ chunk }) => chunk)]),
      );
      const isTied = homes.length > 1 || gradients.length > 1;
      if (isTied && !mayBeTied(plan, type, homes)) return [];
      const mesh = meshes[homes[0]];
      const layout = layoutOn(plan, mesh, type);
      const matrix = type.dims.length >= 2;
      const axes = packedAxes(mesh, [{ layout }]);
      const bytes = bytesOf(type) / axesSize(mesh, axes);
      const compute = computeType(registry, readers(inputs.get(key)!), type.dtype);
      const { id: completed, source } = gradients.reduce((a, b) => (b.node.id > a.node.id ? b : a)).node;
      const { segment } = source;
      const parts: (string | number | boolean)[] = [homes[0], chunkOf(segment), type.dtype, gradient, matrix];
      parts.push(axes.join('*'), zeroAxes(plan, mesh, layout).join('*'));
      if (isTied) parts.push(alone(name));
      else {
        const inParts = splitsState(plan, mesh, layout) && isStoredInParts(plan, type);
        if (splitsState(plan, mesh, layout)) parts.push(compute, inParts);
        if (inParts || reducesEach(plan, mesh, layout))
          parts.push(ownedBy(name, segmentsOf(registry, readers, inputs.get(key)!)));
      }
      return [{ name, type, groups, segment, matrix, compute, gradient, completed, bytes, key: parts.join(' ') }];
    })
    .sort((a, b) => a.completed - b.completed);
}

/** A gradient that the step makes, or a chunk's part of one. */
interface Gradient {
  readonly chunk: number | null;
  readonly node: Node;
  readonly type: TensorType;
  /** It is given in another role too: a value cannot lie in two places. */
  readonly isShared: boolean;
}

/** By parameter, the gradients that ops of the step make. */
function gradientsIn(step: Graph): ReadonlyMap<string, readonly Gradient[]> {
  const found = new Map<string, Gradient[]>();
  const roles = new Map<ValueId, Set<string>>();
  for (const { role, value } of step.outputs) roles.set(value, (roles.get(value) ?? new Set()).add(roleKey(role)));
  for (const { role, value } of step.outputs) {
    const { node, type } = step.values[value];
    if (role.kind !== 'gradient' || !node) continue;
    const isShared = roles.get(value)!.size > 1;
    found.set(role.of, [...(found.get(role.of) ?? []), { chunk: role.chunk, node, type, isShared }]);
  }
  return found;
}

/** True where ZeRO cuts a parameter of several chunks on some group, and its elements have one order on all of them. */
function mayBeTied(plan: Plan, type: TensorType, groups: readonly number[]): boolean {
  const meshes = groups.map((group) => meshesOf(plan)[group]);
  const order = (mesh: Mesh) =>
    String(piecesOf(mesh, [{ name: '', type, layout: layoutOn(plan, mesh, type) }]).map(({ tile }) => tile));
  return (
    meshes.some((mesh) => splitsState(plan, mesh, layoutOn(plan, mesh, type))) && new Set(meshes.map(order)).size === 1
  );
}

const alone = (name: string): string => `alone ${name}`;

/** The segment that a parameter goes with: the only one that reads it. One of several goes by itself. */
const ownedBy = (name: string, segments: ReadonlySet<string>): string =>
  segments.size === 1 ? `of ${[...segments][0]}` : alone(name);

/** What all readers cast a parameter to; its own type where one does not, or to another. */
function computeType(registry: OpRegistry, readers: readonly Node[], own: DType): DType {
  const [first, ...others] = new Set(readers.map((node) => castTo(registry, node) ?? own));
  return first !== undefined && others.length === 0 ? first : own;
}

/** The segments whose forward reads a value, or a cast of it. */
function segmentsOf(
  registry: OpRegistry,
  readers: (value: ValueId) => readonly Node[],
  value: ValueId,
): ReadonlySet<string> {
  return new Set(
    readers(value).flatMap((node): string[] => {
      if (castTo(registry, node) !== null) return [...segmentsOf(registry, readers, node.outputs[0])];
      return node.source.phase === 'forward' ? [node.source.segment] : [];
    }),
  );
}
