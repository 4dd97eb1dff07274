/** In which order sequences that ranks share are stored: head-tail, or their own. */
import type { Graph } from '../ir/graph.js';
import { axesSize, type Mesh } from '../ir/mesh.js';
import type { FactorName } from '../ir/type.js';
import { counted } from '../ir/units.js';
import type { StoredOrder } from '../passes/head_tail.js';
import { contextMethodFacts } from '../plan/context_methods.js';
import type { OrderFault } from '../plan/diagnostics.js';
import type { Plan } from '../plan/plan.js';
import { contextAxes, meets, type StepFactors } from './context_splits.js';

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
  const [ranks] = sharersOf(plan, factor, meshes);
  return { factor, ranks, gathersKeys: !contextMethodFacts(plan.context_method).turns };
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
  const rings = contextMethodFacts(plan.context_method).turns;
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
  const sizes = sharersOf(plan, factor, meshes);
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
const sharersOf = (plan: OrderedPlan, factor: FactorName, meshes: readonly Mesh[]): readonly number[] => [
  ...new Set(meshes.map((mesh) => axesSize(mesh, contextAxes(plan, factor, mesh).byPositions))),
];
