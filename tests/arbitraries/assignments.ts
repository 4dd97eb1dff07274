/**
 * Random legal assignments of an op: every mesh axis is idle, splits a factor that need not be whole, or carries partial sums through a
 * linear set. Drawn as small numbers and then fitted to a mesh and a rule, so that shrinking goes all the way to one idle axis.
 */
import fc from 'fast-check';
import { canonicalSplit, layoutFault, type Split } from '../../src/ir/layout.js';
import { roleFaults } from '../../src/ir/op_fault.js';
import { axesSize, type AxisName, type Mesh } from '../../src/ir/mesh.js';
import { operandLayout, resultLayout, type Assignment, type OpRule } from '../../src/ir/rule.js';
import { namesOf, type FactorName, type TensorType } from '../../src/ir/type.js';
import { someBounds } from './layouts.js';

/** An assignment before it is fitted to a mesh and a rule. */
export interface AssignmentDraw {
  /** One a mesh axis: 0 is idle; then the factors; then the linear sets. */
  readonly roles: readonly number[];
  /** Rotates the order of the axes within every split. */
  readonly turn: number;
  /** One a mesh axis, for the factor whose split it begins: 0 is even, anything else seeds its bounds. */
  readonly uneven: readonly number[];
}

export const anyAssignmentDraw = (): fc.Arbitrary<AssignmentDraw> =>
  fc.record({
    roles: fc.array(fc.nat(59), { minLength: 3, maxLength: 3 }),
    turn: fc.nat(2),
    uneven: fc.array(fc.oneof(fc.constant(0), fc.nat(1000)), { minLength: 3, maxLength: 3 }),
  });

/** What an assignment is of: operand and result types are those of whole values. */
export interface AssignedOp {
  readonly rule: OpRule;
  readonly operands: readonly TensorType[];
  readonly results: readonly TensorType[];
}

/** The assignment that a draw means. Axes whose roles would give an operand or result an illegal layout stay idle. */
export function fitAssignment(m: Mesh, op: AssignedOp, draw: AssignmentDraw): Assignment {
  const free = Object.keys(op.rule.factors).filter((name) => {
    const { whole, tied } = op.rule.factors[name];
    return !whole && !tied;
  });
  let fitted: Assignment = { splits: {}, through: {} };
  m.axes.forEach(({ name: axis }, i) => {
    const role = draw.roles[i] % (free.length + op.rule.linear.length + 1);
    if (role === 0) return;
    const next =
      role <= free.length
        ? { ...fitted, splits: withAxis(m, op.rule, fitted.splits, free[role - 1], axis, draw, i) }
        : { ...fitted, through: { ...fitted.through, [axis]: role - 1 - free.length } };
    if (isLegal(m, op, next)) fitted = next;
  });
  return fitted;
}

function withAxis(
  m: Mesh,
  rule: OpRule,
  splits: Assignment['splits'],
  factor: FactorName,
  axis: AxisName,
  draw: AssignmentDraw,
  i: number,
): Record<FactorName, Split> {
  const all = [...(splits[factor]?.axes ?? []), axis];
  const turn = draw.turn % all.length;
  const axes = [...all.slice(turn), ...all.slice(0, turn)];
  const { size, parts, even } = rule.factors[factor];
  const seed = parts === undefined && !even ? draw.uneven[i] : 0;
  const split = seed === 0 ? { axes } : { axes, bounds: someBounds(size, axesSize(m, axes), seed) };
  return { ...splits, [factor]: canonicalSplit(m, split, size) };
}

function isLegal(m: Mesh, { rule, operands, results }: AssignedOp, assignment: Assignment): boolean {
  return (
    roleFaults(m, rule, assignment).length === 0 &&
    operands.every((type, i) => !layoutFault(m, type, operandLayout(rule, assignment, i, namesOf(type)))) &&
    results.every((type, i) => !layoutFault(m, type, resultLayout(rule, assignment, i, namesOf(type))))
  );
}
