/** What the plan's method makes of ops on a sequence that ranks share. */
import type { Mesh } from '../ir/mesh.js';
import type { OpRule } from '../ir/rule.js';
import type { FactorName } from '../ir/type.js';
import type { Plan } from '../plan/plan.js';
import { axesOn } from '../plan/splits.js';
import type { Splits } from './candidates.js';
import { yieldedAxes } from './precedence.js';

const sequence: FactorName = 'sequence';

/**
 * Splits of an op that has positions: by these, over the axes that are theirs alone. By `ulysses`, ops in which all positions of a sequence
 * meet, as in attention, are split by heads instead, over the heads' own axes and those: by the first factor that the plan lists of those that
 * are not of data. Null where the plan has no method, or the op no positions.
 */
export function splitsByContext(
  { split, context_method: method }: Pick<Plan, 'split' | 'context_method'>,
  dataFactors: ReadonlySet<FactorName>,
  mesh: Mesh,
  { factors }: OpRule,
): Splits | null {
  if (method === undefined || !Object.hasOwn(factors, sequence) || !Object.hasOwn(split, sequence)) return null;
  const yielded = yieldedAxes(split, sequence);
  const own = axesOn(mesh, split[sequence]).filter((axis) => !yielded.includes(axis));
  if (own.length === 0) return null;
  // An op that has a factor of its operands twice knows the second by a name of its own.
  const meet = Object.hasOwn(factors, `${sequence}'`);
  const heads = Object.keys(split).find((name) => Object.hasOwn(factors, name) && !dataFactors.has(name));
  if (method === 'ulysses' && meet && heads !== undefined) {
    return { [heads]: { axes: [...new Set([...axesOn(mesh, split[heads]), ...own])] } };
  }
  return { [sequence]: { axes: own } };
}
