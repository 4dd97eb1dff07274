/**
 * The sentence about roles, as a check: within one op a mesh axis splits one factor, or carries a partial value through one linear set.
 * Whoever looks at an op after it was assigned asks here: the checker of placed graphs, and the verifier of programs.
 */
import { canonicalLayout, sameLayout, turnOf, type Layout, type Reduction, type Split } from './layout.js';
import { axesSize, type AxisName, type Mesh } from './mesh.js';
import { operandLayout, resultLayout, type Assignment, type OpRule } from './rule.js';
import { namesOf, type FactorName, type TensorType } from './type.js';

/** A value as an op meets it: its whole type, and how it lies. */
export interface Laid {
  readonly type: TensorType;
  readonly layout: Layout;
}

/** Operands and results are told by their place in the op's lists. */
export type OpFault =
  | { readonly kind: 'counts' }
  | { readonly kind: 'unknown set'; readonly axis: AxisName }
  | { readonly kind: 'unknown factor'; readonly factor: FactorName }
  | { readonly kind: 'two roles'; readonly axis: AxisName }
  | { readonly kind: 'whole factor'; readonly factor: FactorName }
  | { readonly kind: 'bounds'; readonly factor: FactorName; readonly bounds: readonly number[]; readonly size: number }
  | { readonly kind: 'tied factor'; readonly factor: FactorName; readonly to: FactorName }
  | { readonly kind: 'parts'; readonly factor: FactorName; readonly parts: number }
  | { readonly kind: 'unequal parts'; readonly factor: FactorName; readonly size: number }
  | { readonly kind: 'sizes'; readonly side: Side; readonly index: number }
  | { readonly kind: 'partial'; readonly operand: number; readonly axis: AxisName; readonly reduction: Reduction }
  | { readonly kind: 'layout'; readonly side: Side; readonly index: number; readonly needs: Layout };

type Side = 'operand' | 'result';

/** What is wrong with an op on these operands and results; what a rule lacks is said first, and alone. */
export function opFaults(
  m: Mesh,
  rule: OpRule,
  assignment: Assignment,
  operands: readonly Laid[],
  results: readonly Laid[],
): readonly OpFault[] {
  const frame = frameFault(rule, assignment, operands, results);
  if (frame) return [frame];
  const misfit = misfitOf(rule, operands, results);
  if (misfit) return [misfit];
  return [
    ...roleFaults(m, rule, assignment),
    ...operands.flatMap((value, i) => operandFaults(m, rule, assignment, value, i)),
    ...results.flatMap((value, i) =>
      layoutFault(m, value, resultLayout(rule, assignment, i, namesOf(value.type)), 'result', i),
    ),
  ];
}

/** Counts, and names that the rule does not have: without them nothing else can be asked. */
function frameFault(
  rule: OpRule,
  { splits, through }: Assignment,
  operands: readonly Laid[],
  results: readonly Laid[],
): OpFault | null {
  if (operands.length !== rule.operands.length || results.length !== rule.results.length) return { kind: 'counts' };
  const carried = Object.entries(through).find(([, set]) => !rule.linear[set]);
  if (carried) return { kind: 'unknown set', axis: carried[0] };
  const factor = Object.keys(splits).find((name) => splits[name].axes.length > 0 && !rule.factors[name]);
  return factor === undefined ? null : { kind: 'unknown factor', factor };
}

/** An operand or result of other sizes than its rule's. */
function misfitOf(rule: OpRule, operands: readonly Laid[], results: readonly Laid[]): OpFault | null {
  const operand = operands.findIndex(({ type }, i) => !fits(rule, rule.operands[i], type));
  if (operand >= 0) return { kind: 'sizes', side: 'operand', index: operand };
  const result = results.findIndex(({ type }, i) => !fits(rule, rule.results[i], type));
  return result < 0 ? null : { kind: 'sizes', side: 'result', index: result };
}

/** Whether a type has the sizes of these factors, in order. */
function fits(rule: OpRule, names: readonly FactorName[], { dims }: TensorType): boolean {
  let k = 0;
  for (const dim of dims) for (const { size } of dim) if (rule.factors[names[k++]]?.size !== size) return false;
  return k === names.length;
}

/** What of an assignment is wrong whatever its operands are: of one whose factors and linear sets the rule has. */
export function roleFaults(m: Mesh, rule: OpRule, { splits, through }: Assignment): readonly OpFault[] {
  const roles = [...Object.values(splits).flatMap((split) => split.axes), ...Object.keys(through)];
  const twice = [...new Set(roles.filter((axis, i) => roles.indexOf(axis) !== i))];
  return [
    ...twice.map((axis): OpFault => ({ kind: 'two roles', axis })),
    ...Object.entries(splits).flatMap(([factor, split]): OpFault[] => {
      if (split.axes.length === 0) return [];
      const { size, whole, tied, parts: into, even } = rule.factors[factor];
      const parts = axesSize(m, split.axes);
      const { bounds } = split;
      const fits = into === undefined || (parts === into && bounds === undefined && turnOf(split) === 0);
      return [
        ...(whole ? [{ kind: 'whole factor', factor } as const] : []),
        ...(!bounds || cuts(bounds, parts, size) ? [] : [{ kind: 'bounds', factor, bounds, size } as const]),
        ...(tied ? [{ kind: 'tied factor', factor, to: tied.to } as const] : []),
        ...(fits ? [] : [{ kind: 'parts', factor, parts: into } as const]),
        ...(even && !isEven(split, parts, size) ? [{ kind: 'unequal parts', factor, size } as const] : []),
      ];
    }),
  ];
}

/** Whether a split is into parts of one size, in their order. */
const isEven = (split: Split, parts: number, size: number): boolean =>
  split.bounds === undefined && turnOf(split) === 0 && size % parts === 0;

/** Whether bounds cut a factor of this size into so many parts; even ones do. */
const cuts = (bounds: readonly number[], parts: number, size: number): boolean =>
  bounds.length === parts + 1 &&
  bounds[0] === 0 &&
  bounds[parts] === size &&
  bounds.every((b, i) => i === 0 || b >= bounds[i - 1]);

function operandFaults(m: Mesh, rule: OpRule, assignment: Assignment, value: Laid, i: number): readonly OpFault[] {
  const nonlinear = Object.entries(value.layout.partial).flatMap(([axis, reduction]): OpFault[] => {
    const set = assignment.through[axis];
    const passes = reduction === 'sum' && set !== undefined && rule.linear[set].includes(i);
    return passes ? [] : [{ kind: 'partial', operand: i, axis, reduction }];
  });
  const needs = operandLayout(rule, assignment, i, namesOf(value.type));
  return [...nonlinear, ...layoutFault(m, value, needs, 'operand', i)];
}

function layoutFault(m: Mesh, { type, layout }: Laid, wanted: Layout, side: Side, index: number): readonly OpFault[] {
  const needs = canonicalLayout(m, type, wanted);
  return sameLayout(layout, needs) ? [] : [{ kind: 'layout', side, index, needs }];
}

/** What a fault of the rule or the assignment is, to be read behind the op's name: `relu gives axis 'data' two roles`. */
export function opFaultText(fault: Exclude<OpFault, { readonly kind: 'partial' | 'layout' }>): string {
  switch (fault.kind) {
    case 'counts':
      return 'has other numbers of operands or results than its rule';
    case 'unknown set':
      return `passes the partial sum over '${fault.axis}' through a linear set that it does not have`;
    case 'unknown factor':
      return `splits '${fault.factor}', which it does not have`;
    case 'two roles':
      return `gives axis '${fault.axis}' two roles`;
    case 'whole factor':
      return `splits '${fault.factor}', which its kernel needs whole`;
    case 'bounds':
      return `splits '${fault.factor}' at [${fault.bounds.join(', ')}], which do not cut ${fault.size} elements for this mesh`;
    case 'tied factor':
      return `splits '${fault.factor}' by itself, which is split as '${fault.to}' is`;
    case 'parts':
      return `splits '${fault.factor}' otherwise than evenly into ${fault.parts}`;
    case 'unequal parts':
      return `splits '${fault.factor}', of ${fault.size}, otherwise than into equal parts`;
    case 'sizes':
      return `has a ${fault.side}, number ${fault.index}, of other sizes than its rule's`;
  }
}
