/**
 * From gradients as ops give them to how they are summed: the step gives a bucket's gradient in place of its members'.
 *
 *   gradients of members ─pack─▶ bucket, partial over what any of them is ─reduce_scatter─▶ shard, where a plan reduces each microbatch
 *
 * Who is not partial over an axis that another member is partial over is masked first. Each microbatch is reduced over the axes that cut
 * the shard and no other: over replicas of shards, whose sums are no larger for being partial, the update reduces once a step. What is
 * reduced is cast to the type that the plan has for that, and back.
 */
import { GraphBuilder } from '../ir/builder.js';
import type { DType } from '../ir/dtype.js';
import type { Node, Source } from '../ir/graph.js';
import type { Layout, Reduction } from '../ir/layout.js';
import type { AxisName } from '../ir/mesh.js';
import type { OpRegistry } from '../ir/op.js';
import { nameOf, roleKey, roleWith, type Role } from '../ir/role.js';
import { factorsOf, type TensorType } from '../ir/type.js';
import type { ReshardSearch } from '../reshard/search.js';
import { gradientsOf, type Bucket } from './buckets.js';
import type { PackedTensor } from './packing.js';
import { makersOf, type PlacedGraph, type PlacedId, type PlacedOutput, type PlacedStep } from './placed.js';
import { PlacedEdit, type Request, type Spot } from './placed_edit.js';

export interface PackOptions {
  readonly registry: OpRegistry;
  /** One search a group's mesh. */
  readonly reshards: readonly ReshardSearch[];
  /** Over which ranks each microbatch is reduced, where it is. */
  readonly axes: readonly AxisName[];
  /** How an output is summed that is in no bucket, where not as it comes. Absent: as it comes. */
  readonly accumulator?: (output: Role, group: number, type: TensorType) => Layout | null;
  /** In which type gradients of another are reduced. Absent: in their own. */
  readonly reduce?: (gradient: DType) => DType;
}

/** What packing goes by, over all of a graph. */
interface Packing extends Required<PackOptions> {
  readonly edit: PlacedEdit;
  readonly makers: ReadonlyMap<PlacedId, PlacedStep>;
}

/** The graph with the gradients of buckets in place of those of their members; of buckets that it gives all members' of. */
export function packGradients(placed: PlacedGraph, buckets: readonly Bucket[], options: PackOptions): PlacedGraph {
  const { accumulator = () => null, reduce = (dtype) => dtype } = options;
  const edit = new PlacedEdit(placed, options.reshards);
  const given = new Map(placed.outputs.map(({ role, value }) => [roleKey(role), value]));
  const makers = makersOf(placed);
  const packing: Packing = { ...options, accumulator, reduce, edit, makers };
  const replaced = new Map<string, readonly PlacedOutput[]>();
  for (const bucket of buckets) {
    const tensors = bucket.members.filter(({ isPadding }) => !isPadding);
    for (const role of gradientsOf(bucket)) {
      const roles = tensors.map((tensor) => roleKey(roleWith(role, tensor.name)));
      const gradients = roles.map((key) => given.get(key));
      if (!gradients.every((id) => id !== undefined)) continue;
      const value = packOne(packing, bucket, role, gradients);
      roles.forEach((key, k) => replaced.set(key, k === 0 ? [{ role, name: nameOf(role), value }] : []));
    }
  }
  for (const { role, name, value } of placed.outputs) {
    if (replaced.has(roleKey(role))) continue;
    const { group, type } = placed.values[value];
    const to = accumulator(role, group, type);
    const step = to && makers.get(value);
    if (!to || !step) continue;
    const at: Spot = { side: 'after', step };
    const request: Request = { at, source: step.source, scope: 'microbatch', suffix: 'reduced' };
    replaced.set(roleKey(role), [{ role, name, value: reduceTo(packing, value, to, request) }]);
  }
  if (replaced.size === 0) return placed;
  return {
    ...placed,
    values: edit.values,
    steps: placed.steps.flatMap((step) => edit.around(step, step)),
    outputs: placed.outputs.flatMap((output) => replaced.get(roleKey(output.role)) ?? [output]),
  };
}

function packOne(
  packing: Packing,
  { members: stored, gradient: dtype, type, whole, accumulator, group }: Bucket,
  role: Role,
  gradients: readonly PlacedId[],
): PlacedId {
  const { edit, makers, registry, reduce } = packing;
  const name = nameOf(role);
  const members = stored.map((member) => ({ ...member, type: { ...member.type, dtype } }));
  const last = lastOf(
    edit.graph,
    gradients.map((id) => makers.get(id)!),
  );
  const partial = partialAxes(edit, members, gradients);
  const source: Source = { ...last.source, path: name };
  const request = (step: PlacedStep): Request => ({
    at: { side: 'after', step },
    source: { ...step.source, path: name },
    scope: 'microbatch',
    suffix: 'to pack',
  });
  const parts = members.map((member, k) => {
    const laid = { splits: member.layout.splits, partial };
    return member.isPadding
      ? edit.reshard(
          zeros(edit, member, nameOf(roleWith(role, member.name)), group, request(last), registry),
          laid,
          request(last),
        )
      : edit.reduceIn(reduce(dtype), gradients[k], laid, request(makers.get(gradients[k])!), registry);
  });
  const packed = edit.value(name, { ...type, dtype }, { splits: whole.splits, partial }, group, 'microbatch');
  edit.put({ side: 'after', step: last }, { kind: 'pack', members, inputs: parts, outputs: [packed], source, group });
  return accumulator ? reduceTo(packing, packed, accumulator, { ...request(last), suffix: 'reduced' }) : packed;
}

/** A sum reduced over the axes of each microbatch, in other splits; partial still over what these leave free. */
function reduceTo(
  { edit, registry, reduce, axes: over }: Packing,
  id: PlacedId,
  { splits }: Layout,
  request: Request,
): PlacedId {
  const cut = new Set(Object.values(splits).flatMap(({ axes }) => axes));
  const { layout, type } = edit.values[id];
  const partial = Object.entries(layout.partial).filter(([axis]) => !over.includes(axis) && !cut.has(axis));
  const to = { splits, partial: Object.fromEntries(partial) };
  return edit.reduceIn(reduce(type.dtype), id, to, request, registry);
}

function lastOf({ steps }: PlacedGraph, makers: readonly PlacedStep[]): PlacedStep {
  const among = new Set(makers);
  return steps.findLast((step) => among.has(step))!;
}

/** The axes over which a gradient of a bucket is partial, those apart that split its member: over these it is reduced first. */
function partialAxes(
  edit: PlacedEdit,
  members: readonly PackedTensor[],
  gradients: readonly PlacedId[],
): Readonly<Record<AxisName, Reduction>> {
  const axes = gradients.flatMap((id, k) => {
    const splitting = new Set(Object.values(members[k].layout.splits).flatMap((split) => split.axes));
    return Object.entries(edit.values[id].layout.partial).filter(([axis]) => !splitting.has(axis));
  });
  return Object.fromEntries(axes);
}

/** The gradient of a bucket's padding. */
function zeros(
  edit: PlacedEdit,
  { type, layout }: PackedTensor,
  name: string,
  group: number,
  { at, source }: Request,
  registry: OpRegistry,
): PlacedId {
  const { op, rule, attributes } = zeroNode(registry, type);
  const output = edit.value(name, type, layout, group, 'microbatch');
  const assignment = { splits: layout.splits, through: {} };
  edit.put(at, { kind: 'op', op, rule, attributes, assignment, inputs: [], outputs: [output], source, group });
  return output;
}

/** The node that makes zeros of a type. */
export function zeroNode(registry: OpRegistry, type: TensorType): Node {
  const builder = new GraphBuilder(registry, 'zeros');
  builder.output('zeros', builder.fill(0, type.dtype, factorsOf(type)));
  return builder.build().nodes[0];
}
