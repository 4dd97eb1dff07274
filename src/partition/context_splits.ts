/** What the plan's method makes of ops on a sequence that ranks share. */
import type { Attributes, Graph } from '../ir/graph.js';
import { axesSize, type Mesh } from '../ir/mesh.js';
import type { OpRule } from '../ir/rule.js';
import { prime, type FactorName } from '../ir/type.js';
import type { StoredOrder } from '../passes/head_tail.js';
import type { ContextMethod, Plan } from '../plan/plan.js';
import { axesOn, yieldedAxes } from '../plan/splits.js';
import type { Splits } from './candidates.js';

/** The factors of data whose elements all meet in some op, as the positions of a sequence do in attention. */
export const meetingFactors = (step: Graph, dataFactors: ReadonlySet<FactorName>): ReadonlySet<FactorName> =>
  new Set([...dataFactors].filter((name) => step.nodes.some(({ rule }) => meets(rule, name))));

/** Factors of the ops in which some of these meet. */
export const factorsBeside = (step: Graph, meeting: ReadonlySet<FactorName>): ReadonlySet<FactorName> =>
  new Set(
    step.nodes.flatMap(({ rule }) => ([...meeting].some((name) => meets(rule, name)) ? Object.keys(rule.factors) : [])),
  );

/** An op that has a factor of its operands twice knows the second by a name of its own. */
const meets = ({ factors }: OpRule, name: FactorName): boolean =>
  Object.hasOwn(factors, name) && Object.hasOwn(factors, prime(name, new Set([name])));

/** The factors of data, and those of them that meet. `beside`: factors of ops in which they do, heads among them. */
export interface StepFactors {
  readonly dataFactors: ReadonlySet<FactorName>;
  readonly meeting: ReadonlySet<FactorName>;
  readonly beside: ReadonlySet<FactorName>;
}

/**
 * Splits of an op that has a factor which meets: by it, over the axes that are its alone. By `ulysses`, ops in which it does meet are split by
 * heads instead, over the heads' own axes and those: by the first factor that the plan lists of those that are not of data. By `ulysses+ring`
 * they are split by both, and results that have heads besides may stay so. Null where the plan has no method, or the op no such factor.
 */
export function splitsByContext(
  plan: Pick<Plan, 'split' | 'context_method'>,
  { dataFactors, meeting, beside }: StepFactors,
  mesh: Mesh,
  rule: OpRule,
): Splits | null {
  const { split, context_method: method } = plan;
  if (method === undefined) return null;
  const planned = Object.keys(split).filter((name) => Object.hasOwn(rule.factors, name));
  const positions = planned.find((name) => meeting.has(name));
  if (positions === undefined) return null;
  const { ring, exchanged } = contextAxes(plan, positions, mesh);
  if (ring.length + exchanged.length === 0) return null;
  const heads = planned.find((name) => !dataFactors.has(name) && beside.has(name));
  if (exchanged.length > 0 && heads !== undefined) {
    const byHeads = { [heads]: { axes: [...new Set([...axesOn(mesh, split[heads]), ...exchanged])] } };
    if (meets(rule, positions)) return ring.length > 0 ? { ...byHeads, [positions]: { axes: ring } } : byHeads;
    // Between two steps of a ring results stay as they are.
    if (ring.length > 0 && rule.results.some((names) => names.includes(heads) && names.includes(positions)))
      return null;
  }
  return { [positions]: { axes: [...ring, ...exchanged] } };
}

/** In how many steps keys and values come round to an op; 1: at once. */
export function ringSteps(
  plan: Pick<Plan, 'split' | 'context_method'>,
  { meeting }: StepFactors,
  mesh: Mesh,
  rule: OpRule,
): number {
  if (plan.context_method === undefined || !turning.has(plan.context_method)) return 1;
  const positions = Object.keys(plan.split).find((name) => meeting.has(name) && meets(rule, name));
  return positions === undefined ? 1 : axesSize(mesh, contextAxes(plan, positions, mesh).ring);
}

/**
 * How a plan has the sequences of a step stored: head-tail where it asks for that and ranks would have unequally much to do, that is where
 * all attention is causal and without a window (of rings, and without documents or biases), and where all groups share sequences over as
 * many ranks. Null: in their own order.
 */
export function storedOrder(
  plan: Pick<Plan, 'split' | 'context_method' | 'context_order'>,
  { meeting }: StepFactors,
  meshes: readonly Mesh[],
  { nodes }: Pick<Graph, 'nodes'>,
): StoredOrder | null {
  const factor = Object.keys(plan.split).find((name) => meeting.has(name));
  if (plan.context_order === undefined || factor === undefined) return null;
  const meetings = nodes.filter(({ rule }) => meets(rule, factor));
  const rings = plan.context_method !== 'allgather';
  if (!meetings.every(({ attributes }) => attributes.causal === true && !limits(attributes, rings))) return null;
  const sizes = new Set(meshes.map((mesh) => axesSize(mesh, contextAxes(plan, factor, mesh).ring)));
  const [ranks] = sizes;
  return sizes.size === 1 && ranks > 1 ? { factor, ranks, gathersKeys: !rings } : null;
}

/**
 * Whether a query sees less than all keys before it by its position, so that ranks are busy otherwise; or, in a ring, whether scores depend
 * on positions at all: its steps are taken as if head and tail were one run.
 */
const limits = ({ window = 0, given = [] }: Attributes, rings: boolean): boolean =>
  window !== 0 || (rings && (given as readonly string[]).some((operand) => operand !== 'sinks'));

const turning: ReadonlySet<ContextMethod> = new Set(['ring', 'ulysses+ring']);

/** The axes that are a sequence's alone, on a group's mesh: those by which positions stay split where they meet, and by which heads are instead. */
function contextAxes(
  { split, context_method: method }: Pick<Plan, 'split' | 'context_method'>,
  positions: FactorName,
  mesh: Mesh,
) {
  const yielded = yieldedAxes(split, positions);
  const own = axesOn(mesh, split[positions]).filter((axis) => !yielded.includes(axis));
  if (method === 'ulysses') return { ring: [], exchanged: own };
  // Heads are exchanged among neighbours: along the last axis.
  if (method === 'ulysses+ring') return { ring: own.slice(0, -1), exchanged: own.slice(-1) };
  return { ring: own, exchanged: [] };
}
