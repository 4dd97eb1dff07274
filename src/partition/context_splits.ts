/** What the plan's method makes of ops on a sequence that ranks share. */
import type { Graph } from '../ir/graph.js';
import { axesSize, type Mesh } from '../ir/mesh.js';
import type { OpRule } from '../ir/rule.js';
import { prime, type FactorName } from '../ir/type.js';
import { contextMethodFacts } from '../plan/context_methods.js';
import type { Plan } from '../plan/plan.js';
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
export const meets = ({ factors }: OpRule, name: FactorName): boolean =>
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
  const { byPositions, byHeads } = contextAxes(plan, positions, mesh);
  if (byPositions.length + byHeads.length === 0) return null;
  const heads = planned.find((name) => !dataFactors.has(name) && beside.has(name));
  if (byHeads.length > 0 && heads !== undefined) {
    const ofHeads = { [heads]: { axes: [...new Set([...axesOn(mesh, split[heads]), ...byHeads])] } };
    if (meets(rule, positions))
      return byPositions.length > 0 ? { ...ofHeads, [positions]: { axes: byPositions } } : ofHeads;
    // Between two steps of a ring results stay as they are.
    if (byPositions.length > 0 && rule.results.some((names) => names.includes(heads) && names.includes(positions)))
      return null;
  }
  return { [positions]: { axes: [...byPositions, ...byHeads] } };
}

/** In how many steps keys and values come round to an op; 1: at once. */
export function ringSteps(
  plan: Pick<Plan, 'split' | 'context_method'>,
  { meeting }: StepFactors,
  mesh: Mesh,
  rule: OpRule,
): number {
  if (!contextMethodFacts(plan.context_method).turns) return 1;
  const positions = Object.keys(plan.split).find((name) => meeting.has(name) && meets(rule, name));
  return positions === undefined ? 1 : axesSize(mesh, contextAxes(plan, positions, mesh).byPositions);
}

/** The axes that are a sequence's alone, on a group's mesh: over which positions stay split where they meet, and over which heads are split instead. */
export function contextAxes(
  { split, context_method: method }: Pick<Plan, 'split' | 'context_method'>,
  positions: FactorName,
  mesh: Mesh,
) {
  const own = axesOn(mesh, ownAxes(split, positions));
  const { exchangesHeads, turns } = contextMethodFacts(method);
  if (!exchangesHeads) return { byPositions: own, byHeads: [] };
  // Heads are exchanged among neighbours: along the last axis.
  const across = turns ? own.length - 1 : 0;
  return { byPositions: own.slice(0, across), byHeads: own.slice(across) };
}
