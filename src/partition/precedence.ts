/**
 * Which factor of an op an axis splits that the plan gives to several. A factor of data yields to one that is listed before it: tensor
 * parallelism with a split sequence, `{ heads: [tensor], hidden: [tensor], sequence: [tensor] }`, splits products and attention by heads and
 * features, and by sequence what has neither: norms, dropout, residual sums (Korthikanti et al. 2022, "sequence parallelism"). Listed first,
 * it leaves the choice: experts over the data ranks, `{ batch: [data], experts: [data] }`, are dispatched by tokens and work by experts.
 */
import type { AxisName, Mesh } from '../ir/mesh.js';
import type { OpRule } from '../ir/rule.js';
import type { FactorName } from '../ir/type.js';
import type { Plan } from '../plan/plan.js';
import { axesOn, splitOver } from '../plan/splits.js';
import type { Splits } from './candidates.js';

/** The splits of an op that the plan fixes: of factors to which one of data yields. Null where none does. */
export function splitsByPrecedence(
  plan: Pick<Plan, 'split' | 'bounds'>,
  dataFactors: ReadonlySet<FactorName>,
  mesh: Mesh,
  rule: OpRule,
): Splits | null {
  const { split } = plan;
  const planned = Object.keys(split).flatMap((name) => {
    const axes = Object.hasOwn(rule.factors, name) ? axesOn(mesh, split[name]) : [];
    return axes.length > 0 ? [{ name, axes }] : [];
  });
  const fixed: Record<FactorName, Splits[FactorName]> = {};
  const taken = new Set<AxisName>();
  for (const [i, { name, axes }] of planned.entries()) {
    const yielding = planned.slice(i + 1).filter((after) => dataFactors.has(after.name));
    if (dataFactors.has(name) || !yielding.some((after) => after.axes.some((axis) => axes.includes(axis)))) continue;
    const left = axes.filter((axis) => !taken.has(axis));
    if (left.length === 0) continue;
    left.forEach((axis) => taken.add(axis));
    fixed[name] = splitOver(plan, mesh, name, left);
  }
  return taken.size > 0 ? fixed : null;
}
