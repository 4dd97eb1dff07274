/** What the plan's method makes of ops on a sequence that ranks share. */
import type { Graph } from '../ir/graph.js';
import type { Mesh } from '../ir/mesh.js';
import type { OpRule } from '../ir/rule.js';
import { prime, type FactorName } from '../ir/type.js';
import type { Plan } from '../plan/plan.js';
import { axesOn, yieldedAxes } from '../plan/splits.js';
import type { Splits } from './candidates.js';

/** The factors of data whose elements all meet in some op, as the positions of a sequence do in attention. */
export const meetingFactors = (step: Graph, dataFactors: ReadonlySet<FactorName>): ReadonlySet<FactorName> =>
  new Set([...dataFactors].filter((name) => step.nodes.some(({ rule }) => meets(rule, name))));

/** An op that has a factor of its operands twice knows the second by a name of its own. */
const meets = ({ factors }: OpRule, name: FactorName): boolean =>
  Object.hasOwn(factors, name) && Object.hasOwn(factors, prime(name, new Set([name])));

/**
 * Splits of an op that has a factor which meets: by it, over the axes that are its alone. By `ulysses`, ops in which it does meet are split by
 * heads instead, over the heads' own axes and those: by the first factor that the plan lists of those that are not of data. Null where the plan
 * has no method, or the op no such factor.
 */
export function splitsByContext(
  { split, context_method: method }: Pick<Plan, 'split' | 'context_method'>,
  {
    dataFactors,
    meeting,
  }: { readonly dataFactors: ReadonlySet<FactorName>; readonly meeting: ReadonlySet<FactorName> },
  mesh: Mesh,
  rule: OpRule,
): Splits | null {
  if (method === undefined) return null;
  const planned = Object.keys(split).filter((name) => Object.hasOwn(rule.factors, name));
  const positions = planned.find((name) => meeting.has(name));
  if (positions === undefined) return null;
  const yielded = yieldedAxes(split, positions);
  const own = axesOn(mesh, split[positions]).filter((axis) => !yielded.includes(axis));
  if (own.length === 0) return null;
  const heads = planned.find((name) => !dataFactors.has(name));
  if (method === 'ulysses' && meets(rule, positions) && heads !== undefined) {
    return { [heads]: { axes: [...new Set([...axesOn(mesh, split[heads]), ...own])] } };
  }
  return { [positions]: { axes: own } };
}
