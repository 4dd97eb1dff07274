/** What the plan's method makes of ops on a sequence that ranks share. */
import type { Graph } from '../ir/graph.js';
import { axesSize, type Mesh } from '../ir/mesh.js';
import type { OpRule } from '../ir/rule.js';
import { prime, type FactorName } from '../ir/type.js';
import { counted } from '../ir/units.js';
import type { StoredOrder } from '../passes/head_tail.js';
import type { OrderFault } from '../plan/diagnostics.js';
import type { ContextMethod, Plan } from '../plan/plan.js';
import { axesOn, ownAxes } from '../plan/splits.js';
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
 * How a plan has the sequences of a step stored: head-tail where it asks for that and ranks would have unequally much to do. Null: in their own
 * order.
 */
export function storedOrder(
  plan: OrderedPlan,
  { meeting }: Pick<StepFactors, 'meeting'>,
  meshes: readonly Mesh[],
  step: Pick<Graph, 'nodes'>,
): StoredOrder | null {
  const factor = Object.keys(plan.split).find((name) => meeting.has(name));
  if (plan.context_order === undefined || factor === undefined) return null;
  if (inOrderSince(plan, factor, meshes, step) !== null) return null;
  const [ranks] = ringSizes(plan, factor, meshes);
  return { factor, ranks, gathersKeys: plan.context_method === 'allgather' };
}

/** Why the sequences of a step lie in their own order, though the plan asks for another; null: it asks for none, or they do not. */
export function orderFault(
  plan: OrderedPlan,
  { meeting }: Pick<StepFactors, 'meeting'>,
  meshes: readonly Mesh[],
  step: Pick<Graph, 'nodes'>,
): OrderFault | null {
  if (plan.context_order === undefined) return null;
  const factor = Object.keys(plan.split).find((name) => meeting.has(name));
  if (factor !== undefined) return inOrderSince(plan, factor, meshes, step);
  return { why: 'in no op do the positions of a split sequence meet', byRing: false };
}

type OrderedPlan = Pick<Plan, 'split' | 'context_method' | 'context_order'>;

/**
 * All attention must be causal and without a window, of rings also without documents or biases, whose steps are taken as if head and tail
 * were one run; and all groups share sequences over as many ranks.
 */
function inOrderSince(
  plan: OrderedPlan,
  factor: FactorName,
  meshes: readonly Mesh[],
  { nodes }: Pick<Graph, 'nodes'>,
): OrderFault | null {
  const rings = plan.context_method !== 'allgather';
  for (const { rule, op, attributes, source } of nodes) {
    if (!meets(rule, factor)) continue;
    const where = `${op} of ${source.path || 'the model'}`;
    const { causal, window = 0, given = [] } = attributes as { causal?: boolean; window?: number; given?: string[] };
    if (causal !== true)
      return { why: `${where} is not causal: ranks have equally much to do in any order`, byRing: false };
    if (window !== 0)
      return {
        why: `${where} has a window of ${counted(window, 'token')}: a query at the end sees no more keys`,
        byRing: false,
      };
    const placed = [
      ...new Set(given.flatMap((operand) => (operand === 'sinks' ? [] : (placedBy[operand] ?? operand)))),
    ];
    if (rings && placed.length > 0)
      return {
        why: `scores of ${where} depend on positions (${placed.join(', ')}), and a ring takes head and tail as one run`,
        byRing: true,
      };
  }
  const sizes = ringSizes(plan, factor, meshes);
  if (sizes.length > 1)
    return {
      why: `groups share sequences over ${sizes.join(' and ')} ranks, each in an order of its own`,
      byRing: false,
    };
  return sizes[0] > 1 ? null : { why: 'no ranks attend for positions of their own', byRing: false };
}

/** What makes scores depend on positions, by the operand that brings it. */
const placedBy: Readonly<Record<string, string>> = {
  starts: 'documents',
  ends: 'documents',
  slopes: 'slopes',
  bias: 'biases',
};

/** Over how many ranks groups share positions. */
const ringSizes = (plan: OrderedPlan, factor: FactorName, meshes: readonly Mesh[]): readonly number[] => [
  ...new Set(meshes.map((mesh) => axesSize(mesh, contextAxes(plan, factor, mesh).ring))),
];

const turning: ReadonlySet<ContextMethod> = new Set(['ring', 'ulysses+ring']);

/** The axes that are a sequence's alone, on a group's mesh: those by which positions stay split where they meet, and by which heads are instead. */
function contextAxes(
  { split, context_method: method }: Pick<Plan, 'split' | 'context_method'>,
  positions: FactorName,
  mesh: Mesh,
) {
  const own = axesOn(mesh, ownAxes(split, positions));
  if (method === 'ulysses') return { ring: [], exchanged: own };
  // Heads are exchanged among neighbours: along the last axis.
  if (method === 'ulysses+ring') return { ring: own.slice(0, -1), exchanged: own.slice(-1) };
  return { ring: own, exchanged: [] };
}
