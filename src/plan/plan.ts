/**
 * The plan: everything that is chosen about a run, as data. The planner, flags, the engine, the simulator and exporters all speak it.
 *
 * Versioned and validated; `docs/plan.md` explains each field.
 */
import type { Source } from '../ir/graph.js';
import { mesh, meshRanks, type AxisName, type Mesh } from '../ir/mesh.js';
import type { FactorName } from '../ir/type.js';
import type { ContextMethod } from './context_methods.js';
import type { Scope } from './scope.js';

export const planVersion = 2;

export const contextOrders = ['head_tail'] as const;
export type ContextOrder = (typeof contextOrders)[number];

export interface Plan extends PlannedChoices {
  readonly flotilla_plan: typeof planVersion;
  readonly model: { readonly name: string; readonly hash: string };
  /** Sets of devices by name, each with a mesh of its own. Global ranks follow in the order in which they are written. */
  readonly groups: Readonly<Record<GroupName, PlanGroup>>;
  /** The model in runs of segments, first to last, each with the group that runs it. A group may run several. */
  readonly chunks: readonly PlanChunk[];
  readonly schedule: {
    /** One that can be generated (`docs/schedules.md`), or `table`: the one that is written here. */
    readonly kind: string;
    /** Scheduled microbatches of a step. */
    readonly microbatches: number;
    /** Of kind `table`, the slots of each group in order, as in a schedule file: `["0F0 0B0", "1F0 1B0"]`; else null. */
    readonly table: readonly string[] | null;
  };
  /**
   * Logical microbatches in a scheduled one, sequences in a logical one, and how many logical microbatches at the end of the last
   * scheduled one are padding: they have no tokens, and count nothing.
   */
  readonly batch: { readonly logical_microbatches: number; readonly sequences: number; readonly padding: number };
  /**
   * Factor → the axes over which parameters and data that have it are split, by the first of their factors that is listed. Ops follow
   * from there. An axis that a group's mesh lacks splits nothing there. A factor of data yields to one that is listed before it where both
   * have an axis: `{ heads: [tensor], sequence: [tensor] }` splits by heads what has heads, and by sequence the rest.
   */
  readonly split: Readonly<Record<FactorName, readonly AxisName[]>>;
  /**
   * How ops are split that have positions of a split sequence: by these; but `ulysses` splits ops in which all positions meet, as in attention,
   * by heads, between two all-to-alls (Jacobs et al. 2023, arXiv:2309.14509), where `allgather` splits them by queries too, to which keys and
   * values are gathered (Grattafiori et al. 2024, §3.3.2), and `ring` by both, in steps between which keys and values go from rank to rank
   * (Liu et al. 2023, arXiv:2310.01889). `ulysses+ring`: heads are exchanged along the last of the sequence's own axes, and rings turn along
   * the others (Fang & Zhao 2024, arXiv:2405.07719). Absent: as is cheapest.
   */
  readonly context_method?: ContextMethod;
  /**
   * `head_tail`: of a split sequence each rank has a run of the head and one of the tail, so that under a causal mask all have equally much
   * to do (torch's head-tail load balancer). It has a meaning for `allgather` and rings, and says nothing of steps in which some attention
   * has no such mask, or a window. Absent: the first rank has the first run, and so on.
   */
  readonly context_order?: ContextOrder;
  /** Uneven boundaries of a factor, where it is split: `{ "heads": [0, 5, 7] }`. */
  readonly bounds: Readonly<Record<FactorName, readonly number[]>>;
  /** How long what can be made again is kept, the last entry that names it. What none names is kept as long as it is read. */
  readonly scopes: readonly PlanScope[];
  /** What is split over its `axes` that would be replicated over them. */
  readonly zero: ZeroPlan;
  readonly precision: PlanPrecision;
  /**
   * A step's loss and the weights that it leaves are the same to the last bit under any plan that says so too and shares each logical
   * microbatch over as many ranks, by the same factors (`reproducible.ts`): sums over microbatches and over what shares these are exact.
   */
  readonly reproducible?: true;
  /** What is fixed of the choices of the validation step; {@link assignments} and {@link reshards} are the training step's. */
  readonly validation?: PlannedChoices;
  /**
   * The fields that the choices follow from, each with the hash of what it was when they were made ({@link assignments}, {@link reshards},
   * {@link validation}). Absent: they are the author's own, and hold under any.
   */
  readonly chosen_for?: Readonly<Record<string, string>>;
  /** What the compiler predicts of it; null until it has been compiled. */
  readonly predicted: { readonly peak_bytes: number } | null;
}

/** Element types. */
export interface PlanPrecision {
  /** Of activations and matrix products. */
  readonly compute: 'bf16' | 'f32' | 'f64';
  /** Of parameters between steps, the optimizer's state and the update. */
  readonly master: 'f32' | 'f64';
  /**
   * Of gradients of parameters that ops read in the compute type: as they are made, and summed over microbatches. That of others
   * is the master's. Default: the master's.
   */
  readonly gradients?: 'bf16' | 'f32' | 'f64';
  /**
   * In which gradients, of whatever type, are reduced over ranks: each rank's sum is cast to it before, and the result back after. Default:
   * each in the type in which it is summed.
   */
  readonly reduce?: 'bf16' | 'f32' | 'f64';
}

/** What is fixed of a program's choices. */
export interface PlannedChoices {
  /** How nodes are placed. What is left out is chosen. */
  readonly assignments?: PlannedAssignments;
  /** How values come from layout to layout. What is left out is chosen. */
  readonly reshards?: readonly PlannedPath[];
}

/** How values of a type come from one layout to another on a group. */
export interface PlannedPath {
  /** The group, as its place in the plan. */
  readonly on: number;
  /** The type: `f32[batch=8, dim=64]`. */
  readonly of: string;
  readonly from: string;
  readonly to: string;
  /** Moves in order, each with the layout that it leads to: `all_gather {batch:data}`. */
  readonly by: readonly string[];
}

/** How nodes are placed: by their names (`node_names.ts`), or by patterns of names. */
export type PlannedAssignments = Readonly<Record<string, PlannedAssignment>>;

/** How a node is placed. What is left out is chosen. */
export interface PlannedAssignment {
  /** Factor of the op → the axes that split it, with boundaries where uneven: `tensor`, `data*tensor[0,3,8]`. */
  readonly split?: Readonly<Record<FactorName, string>>;
  /** Axis → the operands that a partial sum over it passes through together: `x0`. Beside `split`, absent means none. */
  readonly through?: Readonly<Record<AxisName, string>>;
  /**
   * Operand → the version that it is made of, where it has several: layout and group, `{batch:data} @0`; where it comes from another
   * group, also how it is sent and lands: `{| sum:data} @0 > {} > {batch:data} @1`. Of what reads an output: `@GROUP` → version.
   */
  readonly from?: Readonly<Record<string, string>>;
}

/**
 * Rajbhandari et al. 2020, §5. 0: nothing. 1: optimizer state, and the update; master parameters too where ops compute in another type,
 * whose copies are gathered once a step. 2: the sums of gradients too, where they are reduced for each microbatch. 3: parameters too, which
 * are gathered for each segment in each direction.
 */
export const zeroStages = [0, 1, 2, 3] as const;
export type ZeroStage = (typeof zeroStages)[number];

/** When gradients are reduced: those of each microbatch, or their sums, with the last. */
export const gradientReductions = ['each', 'last'] as const;
export type GradientReduction = (typeof gradientReductions)[number];

/** What may be said of stage 3 alone. */
export const stage3Fields = ['reshard_after_forward', 'prefetch', 'persistence_threshold'] as const;

export interface ZeroPlan {
  readonly stage: ZeroStage;
  /**
   * Over which ranks: what belongs to a parameter is split over those of these axes that do not split the parameter itself. Where data are split
   * over other axes too, each of their ranks has a whole copy in shards (Zhao et al. 2023, "PyTorch FSDP", §3.2.2, hybrid sharding): gradients
   * are reduced over these axes, and their shards over the others once a step.
   */
  readonly axes: readonly AxisName[];
  /**
   * At stage 3, whether gathered parameters are let go after a segment's forward, and gathered again for its backward. False: they are
   * gathered once a step, and kept from the chunk's first forward to its last backward. Default: true.
   */
  readonly reshard_after_forward?: boolean;
  /**
   * At stage 3, how many segments ahead parameters are gathered, in the order in which a group comes to them: the first of a slot under the
   * end of what it runs before. Those of one segment more than that are there at once. Default: 1.
   */
  readonly prefetch?: number;
  /** At stage 3, parameters of fewer elements are stored as at stage 2: whole, or once a step. Default: 0. */
  readonly persistence_threshold?: number;
  /**
   * When gradients are reduced over `axes`. each: for each microbatch; the sums are of what has been reduced, and where state is split a rank
   * keeps its shard of them alone. last: once a step; each rank keeps a whole sum of its own until then, at any stage. Default: last at stages
   * 0 and 1, each at 2 and 3.
   */
  readonly reduce_gradients?: GradientReduction;
  /**
   * Bytes of parameters on a rank that are gathered, reduced and updated together at most, at any stage, but for a parameter that has more
   * by itself. Default: whole segments, until they are 8 MB.
   */
  readonly bucket_bytes?: number;
}

/** How stage 3 gathers: what the plan says, or the defaults. */
export const gatheringOf = ({
  reshard_after_forward = true,
  prefetch = 1,
}: ZeroPlan): Required<Pick<ZeroPlan, 'reshard_after_forward' | 'prefetch'>> => ({ reshard_after_forward, prefetch });

/** When gradients are reduced: what the plan says, or the default of its stage. */
export const gradientReductionOf = ({ stage, reduce_gradients }: ZeroPlan): GradientReduction =>
  reduce_gradients ?? (stage >= 2 ? 'each' : 'last');

export interface PlanScope {
  /** A path of the model, as of parameters: all that lies under it. `*` stands for one name, `blocks.*.mlp`; alone, for the whole model. */
  readonly of: string;
  /**
   * again: residuals, which the backward makes again instead of keeping them. reshard: activations that lie in smaller blocks than an op
   * reads, such as shards of a sequence, which are gathered for it.
   */
  readonly made: 'again' | 'reshard';
  /** `microbatch`: as if nothing were said. */
  readonly keep: Exclude<Scope, 'step'>;
  /** Of residuals: those that all ops made, or only those that are cheap to make: no products, no attention, nothing that was sent. */
  readonly ops: 'all' | 'cheap';
}

/** The entry that says how long something made so at a place is kept; undefined: none does. */
export const keptFor = (
  scopes: readonly PlanScope[],
  made: PlanScope['made'],
  { path, segment }: Pick<Source, 'path' | 'segment'>,
): PlanScope | undefined =>
  scopes.findLast((entry) => entry.made === made && [path, segment].some((name) => liesUnder(name, entry.of)));

/** Whether a module path lies under another, in which `*` stands for any one name. */
export function liesUnder(path: string, of: string): boolean {
  const names = path.split('.');
  return of === '*' || of.split('.').every((name, i) => i < names.length && (name === '*' || name === names[i]));
}

export type GroupName = string;

export interface PlanGroup {
  readonly mesh: Readonly<Record<AxisName, number>>;
}

export interface PlanChunk {
  readonly segments: readonly string[];
  readonly on: GroupName;
}

/** The mesh of each group, in the order of their ranks: elsewhere a group is its index in this list. */
export const meshesOf = ({ groups }: Pick<Plan, 'groups'>): readonly Mesh[] =>
  Object.values(groups).map((group) => mesh(group.mesh));

/** Chunk → the index of the group that runs it. */
export function groupOfChunks({ groups, chunks }: Pick<Plan, 'groups' | 'chunks'>): readonly number[] {
  const indices = new Map(Object.keys(groups).map((name, i) => [name, i]));
  return chunks.map(({ on }) => indices.get(on) ?? -1);
}

export const ranksOf = (plan: Pick<Plan, 'groups'>): number =>
  meshesOf(plan).reduce((ranks, mesh) => ranks + meshRanks(mesh), 0);

/** A group that runs one chunk. */
export interface PipelineStage {
  readonly segments: readonly string[];
  readonly mesh: PlanGroup['mesh'];
}

/** A pipeline in which each group runs one chunk. */
export function pipelineOf(stages: readonly PipelineStage[]): Pick<Plan, 'groups' | 'chunks'> {
  return {
    groups: Object.fromEntries(stages.map(({ mesh }, i) => [groupName(i), { mesh }])),
    chunks: stages.map(({ segments }, i) => ({ segments, on: groupName(i) })),
  };
}

/** What a group is called that nobody has named. */
export const groupName = (index: number): GroupName => `g${index}`;

/** Logical microbatches that a step reads: those of its schedule without the padding. */
export const logicalMicrobatchesOf = ({ schedule, batch }: Pick<Plan, 'schedule' | 'batch'>): number =>
  schedule.microbatches * batch.logical_microbatches - batch.padding;

/** Sequences that a step reads, over all ranks. */
export const sequencesOf = (plan: Pick<Plan, 'schedule' | 'batch'>): number =>
  logicalMicrobatchesOf(plan) * plan.batch.sequences;
