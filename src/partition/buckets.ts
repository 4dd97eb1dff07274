/**
 * Buckets: parameters that are stored, gathered, reduced and updated together, as one flat value each (`packing.ts`). Decided before
 * partition, from the graph and the plan alone, so that a step can gather them.
 *
 * The update sees a bucket as one parameter: its gradient is reduced in one collective as soon as the backward has completed the last
 * member's (PyTorch's DistributedDataParallel, Li et al. 2020, §3.2.3), one kernel updates it, and ZeRO cuts it between any two elements
 * (Rajbhandari et al. 2020, §5), so that small tensors and sizes that do not divide are ordinary. Where it is cut, zeros at its end make
 * every shard a multiple of 64 bytes: equal devices have equal shards.
 *
 * A bucket holds what may lie together (`bucket_candidates.ts`): whole segments, or one segment's where the plan allows no more bytes. Equal
 * layers then begin and end their buckets alike, and their text folds. Of a parameter that several groups store, each has a record.
 */
import { dtypeBytes, type DType } from '../ir/dtype.js';
import type { Graph } from '../ir/graph.js';
import { boundsOf, canonicalLayout, cutEvenly, sameLayout, type Layout } from '../ir/layout.js';
import { axesSize, type AxisName, type Mesh } from '../ir/mesh.js';
import type { OpRegistry } from '../ir/op.js';
import { gradientRole, nameOf, ownerOf, roleWith, type Role } from '../ir/role.js';
import { prime, tensorType, type TensorType } from '../ir/type.js';
import { gatheringOf, meshesOf, type Plan } from '../plan/plan.js';
import type { Scope } from '../plan/scope.js';
import { candidatesOf, type Candidate } from './bucket_candidates.js';
import { blocksOf, elementsFactor, packedAxes, packedType, type PackedTensor } from './packing.js';
import { isStoredInParts, layoutOn, reducesEach, splitsState, zeroAxes } from './storage.js';

/**
 * Bytes from which whole segments fill a bucket where the plan says nothing: about what PyTorch's default of 25 MB leaves to overlap on
 * models of this kind.
 */
const usuallyFull = 8_000_000;

/** Shards begin at multiples of so many bytes. */
const shardAlignment = 64;

export interface Bucket {
  /** `bucket.0`, which no parameter is named: its gradient and its state have the roles of a parameter's. */
  readonly name: string;
  /** The group that stores it; of a bucket that several groups read, each has a record, the first that of `home`. */
  readonly group: number;
  /** The group that updates it. */
  readonly home: number;
  /** Chunks of this group that give a gradient of it by themselves; null: what gives all of it. */
  readonly contributors: readonly (number | null)[];
  /** Parameters by name, with the splits in which ops read them, in the order in which their gradients are completed; then the padding. */
  readonly members: readonly PackedTensor[];
  /** Members have two dimensions or more. */
  readonly matrices: boolean;
  /** The flat value: `f32[elements=12345]`. */
  readonly type: TensorType;
  /** The element type in which ops read its members: what all of them are cast to first, or their own. */
  readonly compute: DType;
  /** The element type in which its gradient is packed and summed. */
  readonly gradient: DType;
  /** As its members are split: every rank's own blocks of them. */
  readonly whole: Layout;
  /** Of the parameters, between steps: `whole`, or with ZeRO a part of it. */
  readonly storage: Layout;
  /** What the step reduces its gradient to for each microbatch; null: its sum is partial until the update. */
  readonly accumulator: Layout | null;
  /** Of the optimizer's state, and of the update: with ZeRO, every rank's blocks cut evenly over ZeRO's axes. */
  readonly state: Layout;
  /** How long what was gathered of it is kept, where `storage` is a part. */
  readonly gathered: Scope;
}

/** True where ops read other blocks than those that are stored. */
export const isGathered = ({ whole, storage }: Bucket): boolean => !sameLayout(whole, storage);

/** The buckets of all groups, in the order in which their gradients are completed. `parameters`: those that may lie in one. */
export function bucketsOf(
  plan: Plan,
  registry: OpRegistry,
  step: Graph,
  homes: ReadonlyMap<string, readonly number[]>,
  parameters: ReadonlyMap<string, TensorType>,
): readonly Bucket[] {
  const { bucket_bytes: most = Infinity } = plan.zero;
  const full = plan.zero.bucket_bytes ?? usuallyFull;
  const open = new Map<string, Candidate[]>();
  const all: Candidate[][] = [];
  for (const run of segmentRuns(candidatesOf(plan, registry, step, homes, parameters))) {
    const [{ key }] = run;
    const bucket = open.get(key);
    if (bucket && bytesIn(bucket) < full && bytesIn(bucket) + bytesIn(run) <= most) bucket.push(...run);
    else {
      const pieces = inPieces(run, most);
      all.push(...pieces);
      open.set(key, pieces[pieces.length - 1]);
      if (pieces.length > 1) open.delete(key);
    }
  }
  return all
    .sort((a, b) => a[a.length - 1].completed - b[b.length - 1].completed)
    .flatMap((candidates, i) => recordsOf(plan, candidates, `bucket.${i}`, new Set(parameters.keys())));
}

const bytesIn = (candidates: readonly Candidate[]): number => candidates.reduce((n, { bytes }) => n + bytes, 0);

/** Candidates of one key and segment, in the order in which the first of each is completed. */
function segmentRuns(candidates: readonly Candidate[]): readonly (readonly Candidate[])[] {
  const runs = new Map<string, Candidate[]>();
  for (const candidate of candidates) {
    const name = `${candidate.key} ${candidate.segment}`;
    runs.set(name, [...(runs.get(name) ?? []), candidate]);
  }
  return [...runs.values()];
}

/** A run in parts of no more than so many bytes, as far as its members allow. */
function inPieces(run: readonly Candidate[], most: number): readonly Candidate[][] {
  const pieces: Candidate[][] = [[]];
  for (const candidate of run) {
    const last = pieces[pieces.length - 1];
    if (last.length > 0 && bytesIn(last) + candidate.bytes > most) pieces.push([candidate]);
    else last.push(candidate);
  }
  return pieces;
}

/** A bucket on each group that stores it. `taken`: names of parameters, which it and its padding are to be unlike. */
function recordsOf(
  plan: Plan,
  candidates: readonly Candidate[],
  wanted: string,
  taken: ReadonlySet<string>,
): readonly Bucket[] {
  const name = prime(wanted, taken);
  const padding = prime(`${name}.padding`, taken);
  const [{ groups, matrix, gradient, type: first }] = candidates;
  const alike = candidates.every(({ compute }) => compute === candidates[0].compute);
  const compute = alike ? candidates[0].compute : first.dtype;
  const inParts = isStoredInParts(plan, first);
  const [home] = groups.keys();
  const places = [...groups].map(([group, contributors]) => {
    const mesh = meshesOf(plan)[group];
    const tensors = candidates.map((one) => ({
      name: one.name,
      type: one.type,
      layout: layoutOn(plan, mesh, one.type),
    }));
    const cutOver = splitsState(plan, mesh, tensors[0].layout) ? zeroAxes(plan, mesh, tensors[0].layout) : [];
    return { group, contributors, mesh, tensors, cutOver };
  });
  // One padding for all groups: their shards are of unlike sizes where their axes are.
  const shards = places.flatMap(({ mesh, cutOver }) => (cutOver.length > 0 ? [axesSize(mesh, cutOver)] : []));
  return places.map(({ group, contributors, mesh, tensors, cutOver }): Bucket => {
    const members =
      shards.length > 0 ? padded(mesh, first.dtype, tensors, padding, shards.reduce(leastMultiple)) : tensors;
    const { type, layout: whole } = packedType(mesh, first.dtype, members);
    const state = cutOver.length > 0 ? cutFurther(mesh, type, whole, cutOver) : whole;
    return {
      name,
      group,
      home,
      contributors,
      members,
      matrices: matrix,
      type,
      compute,
      gradient,
      whole,
      // In one type a step would only gather what the update has cut: it is gathered there, in place.
      storage: inParts || compute !== first.dtype ? state : whole,
      accumulator: reducesEach(plan, mesh, tensors[0].layout) ? state : null,
      state,
      gathered: inParts ? gatherScope(plan) : 'step',
    };
  });
}

/** The smallest number that both divide. */
function leastMultiple(a: number, b: number): number {
  let [divisor, rest] = [a, b];
  while (rest > 0) [divisor, rest] = [rest, divisor % rest];
  return (a / divisor) * b;
}

/** How long parameters are kept that are stored in parts and gathered. */
export const gatherScope = ({ zero }: Plan): Scope =>
  zero.stage === 3 && gatheringOf(zero).reshard_after_forward ? 'segment and direction' : 'step';

/** With zeros behind each block, so that it falls into `shards` equal parts. */
function padded(
  mesh: Mesh,
  dtype: DType,
  tensors: readonly PackedTensor[],
  name: string,
  shards: number,
): readonly PackedTensor[] {
  const unit = (shards * shardAlignment) / dtypeBytes[dtype];
  const bounds = [0];
  for (const elements of blocksOf(mesh, tensors)) {
    bounds.push(bounds[bounds.length - 1] + (Math.ceil(elements / unit) * unit - elements));
  }
  const size = bounds[bounds.length - 1];
  if (size === 0) return tensors;
  const type = tensorType(dtype, { padding: size });
  const axes = packedAxes(mesh, tensors);
  const layout = canonicalLayout(mesh, type, { splits: { padding: { axes, bounds } }, partial: {} });
  return [...tensors, { name, type, layout, isPadding: true }];
}

/** Every block of a bucket cut evenly over further axes. */
function cutFurther(mesh: Mesh, type: TensorType, storage: Layout, over: readonly AxisName[]): Layout {
  const [{ size }] = type.dims[0];
  const split = storage.splits[elementsFactor] ?? { axes: [] };
  const bounds = cutEvenly(boundsOf(mesh, split, size), axesSize(mesh, over));
  const splits = { [elementsFactor]: { axes: [...split.axes, ...over], bounds } };
  return canonicalLayout(mesh, type, { splits, partial: {} });
}

/** The gradients of a bucket that chunks of its group give. */
export const gradientsOf = ({ name, contributors }: Bucket): readonly Role[] =>
  contributors.map((chunk) => gradientRole(name, chunk));

/** The tensors in what belongs to a bucket as `role` does, under their own names: of its gradient, its members' gradients. */
export const tensorsIn = ({ members }: Bucket, role: Role): readonly PackedTensor[] =>
  members.map((member) => ({ ...member, name: nameOf(roleWith(role, member.name)) }));

/** The bucket that a parameter, gradient or state is, or belongs to; of several groups' records the first. */
export const bucketOfRole = (buckets: readonly Bucket[], role: Role): Bucket | undefined =>
  buckets.find((bucket) => bucket.name === ownerOf(role));
