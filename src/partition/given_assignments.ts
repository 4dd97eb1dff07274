/** Assignments as a plan writes them: found by a node's name, read against its rule, refused where they are illegal, and written. */
import { nearest } from '../ir/diagnostic.js';
import type { Node } from '../ir/graph.js';
import { canonicalSplit, layoutFault, parseSplit, printSplit, type Split } from '../ir/layout.js';
import { axisSize, hasAxis, type AxisName, type Mesh } from '../ir/mesh.js';
import { opFaultText, roleFaults } from '../ir/op_fault.js';
import { slotNames, type OpDefinition } from '../ir/op.js';
import { resultLayout, type Assignment, type OpRule } from '../ir/rule.js';
import { namesOf, type FactorName, type TensorType } from '../ir/type.js';
import type { PlannedAssignment, PlannedAssignments } from '../plan/plan.js';
import { illegalAssignment, unknownNode } from './diagnostics.js';
import { patternsOf } from '../plan/node_names.js';
import { keepsPin, type Pin } from './pins.js';

/** What a plan fixes for one node. */
export interface Given {
  /** Its name, or the pattern that it is written by. */
  readonly key: string;
  /** Where it stands in the plan. */
  readonly field: string;
  readonly assignment: PlannedAssignment;
}

export class GivenAssignments {
  private readonly assignments: PlannedAssignments;
  private readonly field: string;
  private readonly isEmpty: boolean;
  private readonly unused: Set<string>;

  /** `field`: where they stand in the plan. */
  constructor(assignments: PlannedAssignments, field = 'assignments') {
    this.assignments = assignments;
    this.field = field;
    this.unused = new Set(Object.keys(assignments));
    this.isEmpty = this.unused.size === 0;
  }

  /** What is fixed for a node: by its name, else by the pattern with the fewest stars. */
  find(name: string): Given | null {
    if (this.isEmpty) return null;
    const key = patternsOf(name).find((pattern) => Object.hasOwn(this.assignments, pattern));
    if (key === undefined) return null;
    this.unused.delete(key);
    return { key, field: `${this.field}.${key}`, assignment: this.assignments[key] };
  }

  /** Throws `partition/unknown-node` where something is fixed for a node that there is not. */
  expectAllFound(names: readonly string[]): void {
    const [name] = this.unused;
    if (name === undefined) return;
    const whole = names.find((known) => name.startsWith(`${known}/`)) ?? null;
    const known = name.includes('*') ? names.flatMap((one) => patternsOf(one).slice(1)) : names;
    throw unknownNode({ name, field: `${this.field}.${name}`, nearest: nearest(name, known), whole });
  }
}

/** The node that an assignment is for. */
export interface AssignedNode {
  readonly node: Node;
  readonly definition: OpDefinition;
  /** Of its group. */
  readonly mesh: Mesh;
  /** Of all groups. */
  readonly meshes: readonly Mesh[];
  readonly results: readonly TensorType[];
  /** What is fixed of it, of a reproducible step. */
  readonly pin: Pin | null;
}

/** The assignment that a plan fixes; null where it leaves it open. Throws `partition/illegal-assignment`. */
export function readAssignment(
  { field: at, assignment: { split, through = {} } }: Given,
  of: AssignedNode,
): Assignment | null {
  const { node, definition, mesh, results, pin } = of;
  const { rule } = node;
  const refuse = (field: string, problem: string, fix: string) =>
    illegalAssignment({ field: `${at}.${field}`, problem: `${node.op} ${problem}`, fix });
  if (split === undefined) {
    if (Object.keys(through).length === 0) return null;
    throw refuse('through', 'is said to let partial sums through, and not what is split', `add ${at}.split`);
  }
  const expectAxis = (axis: AxisName, field: string) => {
    const known = [...new Set(of.meshes.flatMap(({ axes }) => axes.map(({ name }) => name)))];
    if (known.includes(axis)) return;
    const near = nearest(axis, known) ?? known.join("' or '");
    throw refuse(field, `is split over '${axis}', and no group has such an axis`, `write '${near}'`);
  };
  const splits: Record<FactorName, Split> = {};
  for (const [factor, text] of Object.entries(split)) {
    const field = `split.${factor}`;
    const parsed = parseSplit(text);
    if (!Object.hasOwn(rule.factors, factor)) {
      const known = Object.keys(rule.factors);
      const near = nearest(factor, known);
      const fix = near ? `write '${near}'` : known.length > 0 ? `its factors are ${known.join(', ')}` : 'remove it';
      throw refuse(field, `has no factor '${factor}'`, fix);
    }
    if (!parsed)
      throw refuse(
        field,
        `is split over '${text}', which is no list of axes`,
        "write axes, such as 'data' or 'data*tensor[0,3,8]'",
      );
    parsed.axes.forEach((axis) => expectAxis(axis, field));
    splits[factor] = parsed;
  }
  const carried: Record<AxisName, number> = {};
  const sets = linearSets(node, definition);
  for (const [axis, text] of Object.entries(through)) {
    const field = `through.${axis}`;
    expectAxis(axis, field);
    carried[axis] = sets.indexOf(text);
    if (carried[axis] >= 0) continue;
    const legal = sets.map((set) => `'${set}'`).join(' or ');
    const problem = `is not linear in '${text}'`;
    throw refuse(
      field,
      problem,
      sets.length > 0 ? `write ${legal}` : 'remove it: a partial sum passes through no operand',
    );
  }
  const assignment = canonicalAssignment(mesh, rule, { splits, through: carried });
  const faults = roleFaults(mesh, rule, assignment);
  const fault = faults.find(({ kind }) => kind !== 'whole factor' || definition.decompose === undefined);
  if (fault && fault.kind !== 'partial' && fault.kind !== 'layout') {
    const field = 'factor' in fault ? `split.${fault.factor}` : 'split';
    throw refuse(
      field,
      opFaultText(fault),
      'give each axis one factor or one linear set, and cut no factor that must be whole',
    );
  }
  results.forEach((type, i) => {
    const problem = layoutFault(mesh, type, resultLayout(rule, assignment, i, namesOf(type)));
    if (problem) throw refuse('split', `would give a result that has no layout: ${problem}`, 'split fewer factors');
  });
  if (pin && !keepsPin(assignment, pin, rule, mesh)) {
    const problem =
      'is to be shared unlike the ranks of one microbatch would by themselves, and the run is reproducible';
    throw refuse('split', problem, 'remove it, or reproducible: over what a rank sums would follow the plan');
  }
  return assignment;
}

/** Throws `partition/illegal-assignment` where it is said where an operand comes from that there is not. `readers`: those there are. */
export function expectReaders({ field, assignment: { from = {} } }: Given, readers: readonly string[]): void {
  const unknown = Object.keys(from).find((name) => !readers.includes(name));
  if (unknown === undefined) return;
  const problem = `there is no operand '${unknown}' that is brought`;
  const fix =
    readers.length === 0 ? 'remove it: the op is decomposed' : `write '${nearest(unknown, readers, Infinity)!}'`;
  throw illegalAssignment({ field: `${field}.from.${unknown}`, problem, fix });
}

/** Without axes of one rank, factors as in the rule, even bounds left out: what is written, and what is read again. */
export function canonicalAssignment(mesh: Mesh, rule: OpRule, { splits, through }: Assignment): Assignment {
  const counts = (axis: AxisName) => hasAxis(mesh, axis) && axisSize(mesh, axis) > 1;
  const kept = Object.keys(rule.factors).flatMap((factor): [FactorName, Split][] => {
    const axes = splits[factor]?.axes.filter(counts) ?? [];
    if (axes.length === 0) return [];
    return [[factor, canonicalSplit(mesh, { ...splits[factor], axes }, rule.factors[factor].size)]];
  });
  const carried = mesh.axes.flatMap(({ name }): [AxisName, number][] =>
    counts(name) && through[name] !== undefined ? [[name, through[name]]] : [],
  );
  return { splits: Object.fromEntries(kept), through: Object.fromEntries(carried) };
}

/** Without the origins of operands. */
export function writtenAssignment(
  node: Node,
  definition: OpDefinition,
  { splits, through }: Assignment,
): PlannedAssignment {
  const sets = linearSets(node, definition);
  const carried = Object.entries(through).map(([axis, set]) => [axis, sets[set]]);
  return {
    split: Object.fromEntries(Object.entries(splits).map(([factor, split]) => [factor, printSplit(split)])),
    ...(carried.length > 0 && { through: Object.fromEntries(carried) as Record<AxisName, string> }),
  };
}

/** The names of a node's operands, one each. */
export const operandNames = (node: Node, definition: OpDefinition): readonly string[] =>
  slotNames(definition.operands, node.inputs.length);

/** Each linear set by its operands: `x0`, `gradient residual`. */
function linearSets(node: Node, definition: OpDefinition): readonly string[] {
  const names = operandNames(node, definition);
  return node.rule.linear.map((set) => set.map((i) => names[i]).join(' '));
}
