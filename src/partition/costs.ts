/**
 * What the partitioner prices its choices by: seconds, from whoever knows them. It knows no op names and no devices, and its own code has
 * no numbers: these are all. A price is that of one time; the partitioner counts how often it falls due in a step.
 */
import { alphaBeta, oneMachine, type AlphaBeta, type Communication } from '../cost/index.js';
import type { Attributes } from '../ir/graph.js';
import type { Mesh } from '../ir/mesh.js';
import type { Assignment, OpRule } from '../ir/rule.js';
import type { TensorType } from '../ir/type.js';
import type { Target } from '../kernels/target.js';
import type { PlannedPath } from '../plan/plan.js';
import { ReshardSearch, type KnownPaths } from '../reshard/search.js';

/** An op as a candidate would have one rank run it. */
export interface OpWork {
  readonly node: { readonly op: string; readonly rule: OpRule; readonly attributes: Attributes };
  /** Null: the op is placed already, and only its blocks are known. */
  readonly assignment: Assignment | null;
  /** Types of the blocks of the rank that has most of every factor. */
  readonly operands: readonly TensorType[];
  readonly results: readonly TensorType[];
  /** The op whose kernel runs; null: its decomposition runs instead. */
  readonly kernel: string | null;
  readonly device: Target;
  /** On these blocks. */
  readonly flops: number;
  /** Read and written once, on these blocks. */
  readonly bytes: number;
}

export interface PartitionCosts {
  /** Seconds of an op on one rank. */
  seconds(work: OpWork): number;
  /** Seconds of a collective, or of a local move, on a group. */
  communicationSeconds(communication: Communication, group: number): number;
  /** Seconds of `bytes` between groups, which a rank receives in so many messages. */
  transferSeconds(bytes: number, messages: number): number;
  /**
   * What leaving a result partial counts for, in units of the all-reduce that will be due. `made`: the op makes it so. `postponed`: it was
   * partial in every operand of the set that it passes through.
   */
  readonly debt: { readonly made: number; readonly postponed: number };
  /** The kind of a group: groups of one kind that have equal meshes have equal prices. */
  kindOf(group: number): number;
  /** Forfeit of an op for each time beyond the first that ranks do work which the plan gives them an axis to share over. */
  readonly repeatSeconds: number;
}

/** Round figures, for choosing among candidates where nothing was measured. */
export function defaultCosts(link: AlphaBeta = oneMachine): PartitionCosts {
  const communicationSeconds = alphaBeta(link);
  return {
    seconds: ({ kernel, flops, bytes }) =>
      // A decomposition passes its intermediate values through memory: about four times the kernel's time.
      Math.max(flops / flopsPerSecond, bytes / bytesPerSecond) * (kernel === null ? 4 : 1),
    communicationSeconds,
    transferSeconds: (bytes, messages) =>
      messages * (link.launchSeconds + link.latencySeconds) + bytes / link.bytesPerSecond,
    // A little more than one, so that reducing now wins ties; about half where the sum was due already (found on three-layer models:
    // sequence parallelism then needs the fewest reduce-scatters).
    debt: { made: 1.01, postponed: 0.505 },
    // More than any reshard: a plan that splits the batch means it, whatever a small model's latencies say.
    repeatSeconds: 1000,
    kindOf: () => 0,
  };
}

const flopsPerSecond = 400e9;
/** What a kernel finds in caches it does not wait for, and most of what one writes the next one reads: far more than memory gives. */
const bytesPerSecond = 1e12;

/**
 * The searches for reshards under these prices, one a group's mesh; groups of one kind share what they find. `given`: paths that are
 * followed at any cost; `field`: where they stand in the plan.
 */
export function reshardSearches(
  meshes: readonly Mesh[],
  costs: PartitionCosts,
  given: readonly PlannedPath[] = [],
  field = 'reshards',
): readonly ReshardSearch[] {
  const found = new Map<string, KnownPaths>();
  return meshes.map((mesh, group) => {
    const cost = (communication: Communication) => costs.communicationSeconds(communication, group);
    const paths = given.flatMap(({ on, ...path }, i) => (on === group ? [{ ...path, field: `${field}.${i}` }] : []));
    const kind = JSON.stringify([costs.kindOf(group), mesh, paths.map(({ field: _, ...path }) => path)]);
    const known = found.get(kind) ?? new Map();
    found.set(kind, known);
    return new ReshardSearch(mesh, cost, paths, known);
  });
}
