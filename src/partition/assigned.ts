/** What follows from the assignment of a node: worked out once for all nodes that share it. */
import type { Node } from '../ir/graph.js';
import { canonicalLayout, type Layout } from '../ir/layout.js';
import type { Mesh } from '../ir/mesh.js';
import type { OpDefinition } from '../ir/op.js';
import { operandLayout, resultLayout, splitsWhole, type Assignment } from '../ir/rule.js';
import { namesOf, type TensorType } from '../ir/type.js';
import type { PlannedAssignment } from '../plan/plan.js';
import { canonicalAssignment, operandNames, writtenAssignment } from './given_assignments.js';

export interface Assigned {
  /** Canonical. */
  readonly assignment: Assignment;
  /** It splits a factor that the kernel needs whole. */
  readonly splitsWhole: boolean;
  readonly written: PlannedAssignment;
  /** Of the operands. */
  readonly names: readonly string[];
  /** Canonical, as the op reads its operands and gives its results. */
  readonly operands: readonly Layout[];
  readonly results: readonly Layout[];
}

/** `operands`, `results`: their types. */
export function assignedBy(
  assignment: Assignment,
  node: Node,
  definition: OpDefinition,
  mesh: Mesh,
  operands: readonly TensorType[],
  results: readonly TensorType[],
): Assigned {
  const { rule } = node;
  const canonical = canonicalAssignment(mesh, rule, assignment);
  const layoutsOf = (types: readonly TensorType[], layoutOf: typeof operandLayout) =>
    types.map((type, i) => canonicalLayout(mesh, type, layoutOf(rule, canonical, i, namesOf(type))));
  return {
    assignment: canonical,
    splitsWhole: splitsWhole(rule, canonical),
    written: writtenAssignment(node, definition, canonical),
    names: operandNames(node, definition),
    operands: layoutsOf(operands, operandLayout),
    results: layoutsOf(results, resultLayout),
  };
}
