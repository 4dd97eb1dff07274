/** The proof of placed graphs: each is sound and computes what it was made of, and the update takes what the step leaves. */
import type { Graph } from '../ir/graph.js';
import type { OpRegistry } from '../ir/op.js';
import type { Plan } from '../plan/plan.js';
import { reduceDtypeOf } from '../plan/reduce_dtype.js';
import type { Bucket } from './buckets.js';
import { checkPlacement } from './check.js';
import { checkExactSums } from './check_exact_sums.js';
import { checkMeaning } from './check_meaning.js';
import { checkSeam } from './check_seam.js';
import { checkRecords } from './check_records.js';
import { checkReductions } from './check_reductions.js';
import { checkScopes } from './check_scopes.js';
import type { PlacedGraphs } from './place_graphs.js';
import type { PlacedGraph } from './placed.js';
import { segmentChunks } from './placement.js';

/** What placed graphs are made of. */
export interface SourceGraphs {
  readonly step: Graph;
  readonly update: Graph | null;
}

/** Throws where placed graphs are not sound, or not what they were made of. */
export type Prove = (
  graphs: SourceGraphs,
  placed: PlacedGraphs,
  request: { readonly plan: Plan; readonly registry: OpRegistry },
) => void;

/** The proof of placed graphs. */
export const expectProved: Prove = (graphs, { step, update, buckets }, { plan, registry }) => {
  expectSound(graphs.step, step, registry, buckets);
  expectRecords(graphs.step, step, registry, buckets);
  expectScopes(step, plan);
  expectReductions(step, registry, plan);
  expectExactSums(step, registry, plan.reproducible === true);
  if (!graphs.update || !update) return;
  expectSound(graphs.update, update, registry, buckets);
  expectMeeting(step, update);
  expectReductions(update, registry, plan);
  expectExactSums(update, registry, false);
};

/** The proof that the update takes what the step leaves. */
function expectMeeting(step: PlacedGraph, update: PlacedGraph): void {
  const [fault] = checkSeam(step, update);
  if (fault) throw fault;
}

/** The proof that what is stored in buckets lies as their records say. */
function expectRecords(graph: Graph, step: PlacedGraph, registry: OpRegistry, buckets: readonly Bucket[]): void {
  const [fault] = checkRecords(graph, step, registry, buckets);
  if (fault) throw fault;
}

/** The proof that whatever the step reads is still there, and its own microbatch's. */
function expectScopes(step: PlacedGraph, plan: Plan): void {
  const [fault] = checkScopes(step, segmentChunks(plan));
  if (fault) throw fault;
}

/** The proof that gradients are reduced in the type that the plan says, and nothing else is rounded for it. */
function expectReductions(graph: PlacedGraph, registry: OpRegistry, { precision }: Plan): void {
  const [fault] = checkReductions(graph, registry, reduceDtypeOf(precision));
  if (fault) throw fault;
}

/** The proof that what a reproducible step gives is the same in any order, and nothing else is put on a grid. */
function expectExactSums(graph: PlacedGraph, registry: OpRegistry, reproducible: boolean): void {
  const [fault] = checkExactSums(graph, registry, reproducible);
  if (fault) throw fault;
}

/** The proof that a placed graph is sound and still computes what `graph` does. */
function expectSound(graph: Graph, placed: PlacedGraph, registry: OpRegistry, buckets: readonly Bucket[]): void {
  const [fault] = [...checkPlacement(placed), ...checkMeaning(graph, placed, registry, buckets)];
  if (fault) throw fault;
}
