/**
 * Buckets: parameters that are updated together, as one flat value each (`packing.ts`), of about {@link bucketBytes}.
 *
 * The update sees a bucket as one parameter: its gradient is reduced in one collective as soon as the backward has completed the last
 * member's (PyTorch's DistributedDataParallel, Li et al. 2020, §3.2.3), one kernel updates it, and ZeRO cuts it between any two elements
 * (Rajbhandari et al. 2020, §5), so that small tensors and sizes that do not divide are ordinary.
 *
 * A bucket holds parameters of one group and one dtype, split over the same axes, whose gradients come partial over the same axes; an
 * optimizer treats matrices and vectors apart (weight decay), so a bucket holds one sort. It is closed where a segment ends: equal layers
 * then begin and end their buckets alike, and their text folds. What several groups read, and what comes with
 * a gradient laid out unlike the parameter, stays outside and is updated by itself.
 */
import { axesSize, type AxisName, type Mesh } from '../ir/mesh.js';
import { boundsOf, canonicalLayout, cutEvenly, printLayout, sameLayout, type Layout } from '../ir/layout.js';
import { bytesOf, prime, type TensorType } from '../ir/type.js';
import { gradientName, parameterOf } from '../optim/update.js';
import { meshesOf, type Plan } from '../plan/plan.js';
import { elementsFactor, packedAxes, packedType, type PackedTensor } from './packing.js';
import type { PlacedGraph } from './placed.js';
import { splitsState, storageLayout } from './storage.js';

/** Bytes from which a bucket is full, on one rank: about what PyTorch's default of 25 MB leaves to overlap on models of this kind. */
export const bucketBytes = 8_000_000;

export interface Bucket {
  /** `bucket.0`; its gradient and its state are named as a parameter's would be: `gradient.bucket.0`. */
  readonly name: string;
  readonly group: number;
  /** Parameters by name, with their storage layouts, in the order in which their gradients are completed. */
  readonly members: readonly PackedTensor[];
  /** Members have two dimensions or more. */
  readonly matrices: boolean;
  /** The flat value: `f32[elements=12345]`. */
  readonly type: TensorType;
  /** Of the parameters: as the members are stored. */
  readonly storage: Layout;
  /** Of the gradient's sum, as the step leaves it: partial over the same axes as each member's. */
  readonly gradient: Layout;
  /** Of the optimizer's state, and of the update: with ZeRO, every rank's blocks cut evenly over the data axis. */
  readonly state: Layout;
}

/**
 * The buckets of all groups, in the order in which their gradients are completed. `parameters`: those that the step gives the whole
 * gradient of.
 */
export function bucketsOf(
  plan: Plan,
  step: PlacedGraph,
  homes: ReadonlyMap<string, readonly number[]>,
  parameters: ReadonlyMap<string, TensorType>,
  limit = bucketBytes,
): readonly Bucket[] {
  const open = new Map<string, Candidate[]>();
  const all: Candidate[][] = [];
  for (const candidate of candidatesOf(plan, step, homes, parameters)) {
    const bucket = open.get(candidate.key);
    const full = bucket && bucket.reduce((n, { bytes }) => n + bytes, 0) >= limit;
    if (bucket && !(full && bucket[bucket.length - 1].segment !== candidate.segment)) bucket.push(candidate);
    else {
      const fresh = [candidate];
      open.set(candidate.key, fresh);
      all.push(fresh);
    }
  }
  return all
    .sort((a, b) => a[a.length - 1].completed - b[b.length - 1].completed)
    .map((candidates, i) => bucketOf(plan, candidates, prime(`bucket.${i}`, [...parameters.keys()])));
}

interface Candidate extends PackedTensor {
  readonly group: number;
  /** That the step which makes the gradient belongs to. */
  readonly segment: string;
  readonly matrix: boolean;
  readonly gradient: Layout;
  /** Position of the step that makes the gradient. */
  readonly completed: number;
  /** Bytes of a rank's block. */
  readonly bytes: number;
  /** Equal for those that may share a bucket. */
  readonly key: string;
}

/** Parameters that may lie in a bucket, in the order in which their gradients are completed. */
function candidatesOf(
  plan: Plan,
  step: PlacedGraph,
  homes: ReadonlyMap<string, readonly number[]>,
  parameters: ReadonlyMap<string, TensorType>,
): readonly Candidate[] {
  const madeAt = new Map(step.steps.flatMap((s, i) => s.outputs.map((output) => [output, i] as const)));
  const meshes = meshesOf(plan);
  return step.outputs
    .flatMap(({ name: output, value }): Candidate[] => {
      const name = parameterOf(output);
      const type = output === gradientName(name) ? parameters.get(name) : undefined;
      const completed = madeAt.get(value);
      const groups = homes.get(name) ?? [];
      if (!type || completed === undefined || groups.length !== 1) return [];
      const [group] = groups;
      const mesh = meshes[group];
      const gradient = step.values[value];
      const layout = canonicalLayout(mesh, type, storageLayout(plan, mesh, type));
      const same = sameLayout({ ...gradient.layout, partial: {} }, layout) && gradient.type.dtype === type.dtype;
      if (!same || gradient.group !== group) return [];
      const matrix = type.dims.length >= 2;
      const axes = packedAxes(mesh, [{ layout }]);
      const partial = printLayout({ splits: {}, partial: gradient.layout.partial });
      const key = `${group} ${type.dtype} ${matrix} ${axes.join('*')} ${partial}`;
      const bytes = bytesOf(type) / axesSize(mesh, axes);
      const { segment } = step.steps[completed].source;
      return [{ name, type, layout, group, segment, matrix, gradient: gradient.layout, completed, bytes, key }];
    })
    .sort((a, b) => a.completed - b.completed);
}

function bucketOf(plan: Plan, candidates: readonly Candidate[], name: string): Bucket {
  const [{ group, matrix, gradient }] = candidates;
  const mesh = meshesOf(plan)[group];
  const members = candidates.map((candidate) => ({
    name: candidate.name,
    type: candidate.type,
    layout: candidate.layout,
  }));
  const { type, layout: storage } = packedType(mesh, members[0].type.dtype, members);
  return {
    name,
    group,
    members,
    matrices: matrix,
    type,
    storage,
    gradient: { splits: storage.splits, partial: gradient.partial },
    state: splitsState(plan, mesh, candidates[0].layout) ? cutFurther(mesh, type, storage, plan.zero.axis) : storage,
  };
}

/** Every block of a bucket cut evenly over one more axis. */
function cutFurther(mesh: Mesh, type: TensorType, storage: Layout, axis: AxisName): Layout {
  const [{ size }] = type.dims[0];
  const split = storage.splits[elementsFactor] ?? { axes: [] };
  const bounds = cutEvenly(boundsOf(mesh, split, size), axesSize(mesh, [axis]));
  const splits = { [elementsFactor]: { axes: [...split.axes, axis], bounds } };
  return canonicalLayout(mesh, type, { splits, partial: {} });
}

/** The name that belongs to a member as `name` belongs to its bucket: `gradient.bucket.0` → `gradient.blocks.0.mlp.up.bias`. */
export const ofMember = (name: string, bucket: Bucket, member: PackedTensor): string =>
  name.slice(0, name.length - bucket.name.length) + member.name;

/** The bucket that a parameter, gradient or state of this name is, if it is one. */
export const bucketNamed = (buckets: readonly Bucket[], name: string): Bucket | undefined =>
  buckets.find((bucket) => bucket.name === parameterOf(name));
