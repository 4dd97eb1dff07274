/** Graphs + plan → placed graphs: the passes between autodiff and lowering, in order. */
import type { UpdatedParameter, UpdateRecipe } from '../optim/update.js';
import type { Graph } from '../ir/graph.js';
import type { OpRegistry } from '../ir/op.js';
import { printGraph } from '../ir/print.js';
import { roleKey } from '../ir/role.js';
import type { OpRule } from '../ir/rule.js';
import type { TensorType } from '../ir/type.js';
import { bucketsOf, gatherScope, type Bucket } from './buckets.js';
import { defaultCosts, reshardSearches, type PartitionCosts } from './costs.js';
import { fuseEinsumAdd } from './fuse_einsum_add.js';
import { GivenAssignments } from './given_assignments.js';
import { gatherParameters } from './gather_parameters.js';
import { packGradients } from './pack_gradients.js';
import { partition, type ExplainedChoice } from './partition.js';
import { Pins } from './pins.js';
import type { Placement } from './placement.js';
import { printPlaced, type PlacedGraph } from './placed.js';
import { homesOf, segmentChunks, segmentGroups, stepFactors, stepPlacement, updatePlacement } from './placement.js';
import { printBuckets } from './print_buckets.js';
import { expectProved, type Prove } from './prove.js';
import { recompute } from './recompute.js';
import { reduceGradients } from './reduce_gradients.js';
import { aloneAccumulator, aloneLayout } from './storage.js';
import { expectAllRead, loneGradients, updatedParameters, withGradient } from './updated_parameters.js';
import { castByGroup } from '../passes/cast_by_group.js';
import { headTail } from '../passes/head_tail.js';
import { ringAttention } from '../passes/ring_attention.js';
import { ringSteps } from './context_splits.js';
import { storedOrder } from './stored_order.js';
import { splitBackward } from '../passes/split_backward.js';
import { splitSumsByChunk, type SplitSums } from '../passes/split_sums.js';
import {
  gatheringOf,
  meshesOf,
  type Plan,
  type PlannedAssignment,
  type PlannedChoices,
  type PlannedPath,
} from '../plan/plan.js';
import { reduceDtypeOf } from '../plan/reduce_dtype.js';
import { dealingAxes, planOfOneMicrobatch } from '../plan/reproducible.js';
import type { ReshardSearch } from '../reshard/search.js';
import { unusedPath } from './diagnostics.js';
import type { KernelChooser } from '../kernels/chooser.js';
import type { Target } from '../kernels/target.js';
import type { PassObserver } from '../passes/pass_names.js';

export interface PlaceRequest {
  readonly plan: Plan;
  readonly registry: OpRegistry;
  readonly kernels: KernelChooser;
  /** What it is compiled for. */
  readonly target: Target;
  readonly costs?: PartitionCosts;
  /** Fixes splits of ops of the step; where it gives null the partitioner chooses. */
  readonly hint?: Placement['hint'];
  /** Those of the program whose parameters this one shares; absent: by the gradients that the step gives. */
  readonly buckets?: readonly Bucket[];
  /** Chunks whose backward the schedule splits in two. */
  readonly split: ReadonlySet<number>;
  /** What is fixed of the choices; they are those of the plan, for the program that it is of. Default: nothing. */
  readonly choices?: PlannedChoices;
  /** Where these stand in the plan, if not at its top. */
  readonly choicesIn?: 'validation';
  /** Of a reproducible plan the step of one logical microbatch, where ranks share it (`planOfOneMicrobatch`). */
  readonly ofOneMicrobatch?: Graph | null;
  readonly observe?: PassObserver;
}

export interface PlacedGraphs {
  readonly step: PlacedGraph;
  /** Null: the step's sums are the results. */
  readonly update: PlacedGraph | null;
  /** The parameters that are updated together. */
  readonly buckets: readonly Bucket[];
}

export interface ChosenGraphs extends PlacedGraphs {
  /** All that was chosen, or had been fixed: nothing is left open by it. */
  readonly choices: Required<PlannedChoices>;
  /** Of what was left open: the prices that it was chosen by. */
  readonly priced: readonly ExplainedChoice[];
}

/**
 * Places the step, and the update that `recipe` makes of its parameters: in buckets, as far as their gradients allow. `prove`: by
 * default all that can be asked of them.
 */
export function placeGraphs(
  request: PlaceRequest,
  parameters: readonly UpdatedParameter[],
  graph: Graph,
  recipe: UpdateRecipe | null,
  prove: Prove = expectProved,
): ChosenGraphs {
  const { plan, registry, kernels, observe } = request;
  const { step, parts } = byChunk(request, graph, recipe !== null);
  const meshes = meshesOf(plan);
  const { assignments = {}, reshards: paths = [] } = request.choices ?? {};
  const costs = request.costs ?? defaultCosts();
  const within = request.choicesIn ? `${request.choicesIn}.` : '';
  const searches = reshardSearches(meshes, costs, paths, `${within}reshards`);
  const fixed = new GivenAssignments(assignments, `${within}assignments`);
  const chosen: Record<string, PlannedAssignment> = {};
  const priced: ExplainedChoice[] = [];
  const hasKernel = (op: string, rule: OpRule) => kernels.has(op, rule);
  const place = (one: Graph, placement: Placement, pins?: Pins): PlacedGraph => {
    const made = partition(one, registry, placement, costs, {
      hasKernel,
      given: fixed,
      pins,
      device: request.target,
      reshards: searches,
    });
    Object.assign(chosen, made.assignments);
    priced.push(...made.choices);
    return made.placed;
  };
  const homes = homesOf(plan, step);
  const types = new Map<string, TensorType>(parameters.map(({ name, type }) => [name, type]));
  const buckets = request.buckets ?? (recipe ? bucketsOf(plan, registry, step, homes, types) : []);
  const pins = plan.reproducible ? pinsOf(request, costs, hasKernel, recipe !== null) : undefined;
  const chosenStep = place(step, withHint(stepPlacement(plan, step), request.hint), pins);
  const fusedStep = fused(chosenStep, registry, kernels);
  const alone = new Set(loneGradients(parameters, buckets, parts).map(roleKey));
  const remadeStep = recompute(fusedStep, plan.scopes, segmentChunks(plan));
  const storedStep = storeInBuckets(plan, remadeStep, buckets, alone, registry, searches);
  const trained = withGradient(parameters, step, parts);
  const update = recipe?.(updatedParameters(step, trained, buckets, parts)) ?? null;
  if (update) expectAllRead(step, update, buckets);
  const chosenUpdate = update && place(update, updatePlacement(plan, storedStep, homes, types, buckets));
  const fusedUpdate =
    chosenUpdate && reduceGradients(fused(chosenUpdate, registry, kernels), registry, reduceDtypeOf(plan.precision));
  const made: PlacedGraphs = { step: storedStep, update: fusedUpdate, buckets };
  prove({ step, update }, made, request);
  fixed.expectAllFound(Object.keys(chosen));
  const reshards = takenPaths(searches, paths, `${within}reshards`);
  observe?.('partition', () => printAll(printPlaced, chosenStep, chosenUpdate));
  observe?.('fuse_einsum_add', () => printAll(printPlaced, fusedStep, fusedUpdate));
  observe?.('recompute', () => printAll(printPlaced, remadeStep, fusedUpdate));
  observe?.('buckets', () =>
    [printBuckets(buckets), printPlaced(storedStep), ...(update ? [printGraph(update)] : [])].join('\n\n'),
  );
  return { ...made, choices: { assignments: chosen, reshards }, priced };
}

/** The paths of a placed program. Throws `partition/unused-path` where one was given that nothing takes. */
function takenPaths(
  reshards: readonly ReshardSearch[],
  given: readonly PlannedPath[],
  field: string,
): readonly PlannedPath[] {
  const taken = reshards.flatMap((search, on) => search.taken.map((path) => ({ on, ...path })));
  const keys = new Set(taken.map(pathKey));
  const index = given.findIndex((path) => !keys.has(pathKey(path)));
  if (index >= 0) throw unusedPath({ field: `${field}.${index}`, path: given[index], taken });
  return taken;
}

const pathKey = ({ on, of, from, to }: PlannedPath): string => `${on} ${of} ${from} ${to}`;

/** What is fixed of a reproducible step's choices: as the ranks that share a microbatch would choose by themselves. */
function pinsOf(
  request: PlaceRequest,
  costs: PartitionCosts,
  hasKernel: (op: string, rule: OpRule) => boolean,
  updates: boolean,
): Pins {
  const { registry, ofOneMicrobatch: graph, target: device } = request;
  const plan = planOfOneMicrobatch(request.plan);
  const axes = dealingAxes(request.plan);
  if (!plan || !graph) return new Pins({ choices: [], ...axes });
  const { step } = byChunk({ ...request, plan, split: new Set(), observe: undefined }, graph, updates);
  const placement = withHint(stepPlacement(plan, step), request.hint);
  const { choices } = partition(step, registry, placement, costs, { hasKernel, device });
  return new Pins({ choices, ...axes });
}

/** What pipeline stages share is cast by each of them, and summed over them by the update. */
function byChunk({ plan, registry, split, observe }: PlaceRequest, graph: Graph, updates: boolean) {
  const chunkOf = segmentChunks(plan);
  const groupOf = segmentGroups(plan);
  const meshes = meshesOf(plan);
  const factors = stepFactors(graph);
  const stored = headTail(graph, registry, storedOrder(plan, factors, meshes, graph));
  observe?.('head_tail', () => printGraph(stored));
  const ring = ringAttention(stored, registry, ({ rule, source }) =>
    ringSteps(plan, factors, meshes[groupOf(source.segment)], rule),
  );
  observe?.('ring_attention', () => printGraph(ring));
  const cast = castByGroup(ring, registry, groupOf);
  observe?.('cast_by_group', () => printGraph(cast));
  // Without an update nobody would add the parts.
  const { graph: summed, parts }: SplitSums = updates
    ? splitSumsByChunk(cast, registry, chunkOf)
    : { graph: cast, parts: new Map() };
  observe?.('split_sums', () => printGraph(summed));
  const step = splitBackward(summed, chunkOf, split);
  observe?.('split_backward', () => printGraph(step));
  return { step, parts };
}

const fused = (chosen: PlacedGraph, registry: OpRegistry, kernels: KernelChooser): PlacedGraph =>
  fuseEinsumAdd(chosen, registry, (op) => kernels.has(op));

/** Parameters as they are read from where they are stored, gradients as they are summed there. `alone`: gradients of no bucket. */
function storeInBuckets(
  plan: Plan,
  step: PlacedGraph,
  buckets: readonly Bucket[],
  alone: ReadonlySet<string>,
  registry: OpRegistry,
  reshards: readonly ReshardSearch[],
): PlacedGraph {
  const { meshes } = step;
  const gathered = gatherParameters(step, buckets, {
    registry,
    reshards,
    prefetch: gatheringOf(plan.zero).prefetch,
    storage: (group, type) => aloneLayout(plan, meshes[group], type),
    gathered: gatherScope(plan),
  });
  return packGradients(gathered, buckets, {
    registry,
    reshards,
    axes: plan.zero.axes,
    accumulator: (output, group, type) =>
      alone.has(roleKey(output)) ? aloneAccumulator(plan, meshes[group], type) : null,
    reduce: reduceDtypeOf(plan.precision),
  });
}

/** The step's graph and, where there is one, the update's. */
const printAll = <G>(print: (graph: G) => string, step: G, update: G | null): string =>
  [step, ...(update ? [update] : [])].map(print).join('\n\n');

const withHint = (placement: Placement, hint: Placement['hint'] = placement.hint): Placement => ({
  ...placement,
  hint,
});
