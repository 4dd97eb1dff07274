/**
 * The placement checker: is every value of a placed graph sound? It reads rules and assignments only and knows nothing of how they
 * were chosen. One sentence decides: within one op a mesh axis has one role.
 */
import { canonicalLayout, sameLayout, type Layout } from '../ir/layout.js';
import { opFaults, opFaultText } from '../ir/op_fault.js';
import type { DiagnosticError } from '../ir/diagnostic.js';
import { moveFault } from '../reshard/move_fault.js';
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
  const values = (ids: readonly PlacedId[]) => ids.map((id) => graph.values[id]);
  const [operands, results] = [values(step.inputs), values(step.outputs)];
  const elsewhere = [...operands, ...results].filter(({ group }) => group !== step.group);
  return [
    ...elsewhere.map(({ name, group }) => diagnose.otherGroup({ op, value: name, group, source })),
    ...opFaults(graph.meshes[step.group], rule, assignment, operands, results).map((fault) => {
      switch (fault.kind) {
        case 'two roles':
          return diagnose.axisHasTwoRoles({ op, axis: fault.axis, source });
        case 'whole factor':
          return diagnose.wholeFactorSplit({ op, factor: fault.factor, source });
        case 'bounds':
          return diagnose.boundsDoNotFit({ op, ...fault, source });
        case 'partial': {
          const { axis, reduction } = fault;
          const made = madeBy.get(step.inputs[fault.operand]) ?? operands[fault.operand].name;
          return diagnose.partialReadNonlinearly({ op, reduction, axis, made, read: source });
        }
        case 'layout': {
          const { name, layout } = (fault.side === 'operand' ? operands : results)[fault.index];
          return diagnose.layoutMismatch({ step: op, value: name, has: layout, needs: fault.needs, source });
        }
        default:
          return diagnose.ruleMismatch({ op, what: opFaultText(fault), source });
      }
    }),
  ];
}

function checkMove(graph: PlacedGraph, step: PlacedMove): DiagnosticError[] {
  const { move, source } = step;
  const mesh = graph.meshes[step.group];
  const [from, to] = [graph.values[step.inputs[0]], graph.values[step.outputs[0]]];
  const lies = (value: typeof from, layout: Layout) =>
    sameLayout(value.layout, canonicalLayout(mesh, value.type, layout)) && value.group === step.group;
  const faults: DiagnosticError[] = [];
  if (!lies(from, move.from)) {
    faults.push(
      diagnose.layoutMismatch({ step: move.kind, value: from.name, has: from.layout, needs: move.from, source }),
    );
  }
  if (!lies(to, move.to)) {
    faults.push(diagnose.layoutMismatch({ step: move.kind, value: to.name, has: to.layout, needs: move.to, source }));
  }
  const why = moveFault(mesh, from.type, move);
  if (why !== null) faults.push(diagnose.illegalMove({ move: move.kind, from: move.from, to: move.to, why, source }));
  return faults;
}

function checkTransfer(graph: PlacedGraph, step: PlacedTransfer): DiagnosticError[] {
  const [from, to] = [graph.values[step.inputs[0]], graph.values[step.outputs[0]]];
  const why = 'whole values travel, from the group that has them to the group of the step';
  const sound =
    from.group === step.fromGroup &&
    to.group === step.group &&
    Object.keys(from.layout.partial).length === 0 &&
    Object.keys(to.layout.partial).length === 0;
  return sound
    ? []
    : [diagnose.illegalMove({ move: 'transfer', from: from.layout, to: to.layout, why, source: step.source })];
}
