/**
 * The placement checker: is every value of a placed graph sound? It reads rules and assignments only and knows nothing of how they
 * were chosen. One sentence decides: within one op a mesh axis has one role.
 */
import { axesUsed, boundsOf, canonicalLayout, sameLayout, type Layout } from '../ir/layout.js';
import { axesSize, type Mesh } from '../ir/mesh.js';
import { operandLayout, resultLayout } from '../ir/rule.js';
import { factorsOf, namesOf } from '../ir/type.js';
import type { DiagnosticError } from '../ir/diagnostic.js';
import { movesFrom, printMove } from '../reshard/moves.js';
import * as diagnose from './diagnostics.js';
import {
  describeStep,
  type PlacedGraph,
  type PlacedId,
  type PlacedMove,
  type PlacedOp,
  type PlacedTransfer,
} from './placed.js';

/** Every fault of a placed graph; empty where it is sound. */
export function checkPlacement(graph: PlacedGraph): readonly DiagnosticError[] {
  const faults: DiagnosticError[] = [];
  const written = new Set<PlacedId>(graph.inputs.map((input) => input.value));
  const madeBy = new Map<PlacedId, string>();
  for (const step of graph.steps) {
    for (const input of step.inputs) {
      if (!written.has(input)) {
        faults.push(
          diagnose.readBeforeWritten({
            step: describeStep(step),
            value: graph.values[input].name,
            source: step.source,
          }),
        );
      }
    }
    if (step.kind === 'op') faults.push(...checkOp(graph, step, madeBy));
    else if (step.kind === 'move') faults.push(...checkMove(graph, step));
    else faults.push(...checkTransfer(graph, step));
    for (const output of step.outputs) {
      written.add(output);
      madeBy.set(output, `${describeStep(step)} at ${diagnose.placeOf(step.source)}`);
    }
  }
  return faults;
}

function checkOp(graph: PlacedGraph, step: PlacedOp, madeBy: ReadonlyMap<PlacedId, string>): DiagnosticError[] {
  const { op, rule, assignment, source } = step;
  const mesh = graph.meshes[step.stage];
  const faults: DiagnosticError[] = [];
  const roles = [
    ...Object.values(assignment.splits).flatMap((split) => split.axes),
    ...Object.keys(assignment.through),
  ];
  for (const axis of new Set(roles)) {
    if (roles.filter((other) => other === axis).length > 1) faults.push(diagnose.axisHasTwoRoles({ op, axis, source }));
  }
  for (const [factor, split] of Object.entries(assignment.splits)) {
    if (split.axes.length === 0) continue;
    const { size, whole } = rule.factors[factor] ?? { size: 0 };
    if (whole) faults.push(diagnose.wholeFactorSplit({ op, factor, source }));
    const bounds = boundsOf(mesh, split, size);
    const fits =
      bounds.length === axesSize(mesh, split.axes) + 1 &&
      bounds[0] === 0 &&
      bounds[bounds.length - 1] === size &&
      bounds.every((b, i) => i === 0 || b >= bounds[i - 1]);
    if (!fits) faults.push(diagnose.boundsDoNotFit({ op, factor, bounds, size, source }));
  }
  step.inputs.forEach((input, i) => {
    const value = graph.values[input];
    const needs = canonicalLayout(mesh, value.type, operandLayout(rule, assignment, i, namesOf(value.type)));
    for (const [axis, reduction] of Object.entries(value.layout.partial)) {
      const set = assignment.through[axis];
      if (reduction !== 'sum' || set === undefined || !rule.linear[set].includes(i)) {
        const made = madeBy.get(input) ?? value.name;
        faults.push(diagnose.partialReadNonlinearly({ op, reduction, axis, made, read: source }));
      }
    }
    if (value.stage !== step.stage || !sameLayout(value.layout, needs)) {
      faults.push(diagnose.layoutMismatch({ step: op, value: value.name, has: value.layout, needs, source }));
    }
  });
  step.outputs.forEach((output, i) => {
    const value = graph.values[output];
    const gives = canonicalLayout(mesh, value.type, resultLayout(rule, assignment, i, namesOf(value.type)));
    if (!sameLayout(value.layout, gives)) {
      faults.push(diagnose.layoutMismatch({ step: op, value: value.name, has: value.layout, needs: gives, source }));
    }
  });
  return faults;
}

function checkMove(graph: PlacedGraph, step: PlacedMove): DiagnosticError[] {
  const { move, source } = step;
  const mesh = graph.meshes[step.stage];
  const [from, to] = [graph.values[step.inputs[0]], graph.values[step.outputs[0]]];
  const lies = (value: typeof from, layout: Layout) =>
    sameLayout(value.layout, canonicalLayout(mesh, value.type, layout)) && value.stage === step.stage;
  const faults: DiagnosticError[] = [];
  if (!lies(from, move.from)) {
    faults.push(
      diagnose.layoutMismatch({ step: move.kind, value: from.name, has: from.layout, needs: move.from, source }),
    );
  }
  if (!lies(to, move.to)) {
    faults.push(diagnose.layoutMismatch({ step: move.kind, value: to.name, has: to.layout, needs: move.to, source }));
  }
  if (
    !isLegal(mesh, move.to) ||
    !movesFrom(mesh, factorsOf(from.type), move.from, move.to).some((legal) => printMove(legal) === printMove(move))
  ) {
    faults.push(diagnose.illegalMove({ move: move.kind, from: move.from, to: move.to, source }));
  }
  return faults;
}

function checkTransfer(graph: PlacedGraph, step: PlacedTransfer): DiagnosticError[] {
  const [from, to] = [graph.values[step.inputs[0]], graph.values[step.outputs[0]]];
  const sound =
    from.stage === step.fromStage &&
    to.stage === step.stage &&
    Object.keys(from.layout.partial).length === 0 &&
    Object.keys(to.layout.partial).length === 0;
  return sound
    ? []
    : [diagnose.illegalMove({ move: 'transfer', from: from.layout, to: to.layout, source: step.source })];
}

function isLegal(mesh: Mesh, layout: Layout): boolean {
  const used = axesUsed(layout);
  return new Set(used).size === used.length && used.every((axis) => mesh.axes.some((a) => a.name === axis));
}
