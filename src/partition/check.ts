/**
 * The placement checker: is every value of a placed graph sound? It reads rules and assignments only and knows nothing of how they
 * were chosen. One sentence decides: within one op a mesh axis has one role.
 */
import { canonicalLayout, sameLayout, type Layout } from '../ir/layout.js';
import { opFaults, opFaultText } from '../ir/op_fault.js';
import type { DiagnosticError } from '../ir/diagnostic.js';
import { sameFactors } from '../ir/type.js';
import { moveFault } from '../reshard/move_fault.js';
import * as diagnose from './diagnostics.js';
import { packedType } from './packing.js';
import {
  describeStep,
  type PlacedGraph,
  type PlacedId,
  type PlacedMove,
  type PlacedOp,
  type PlacedPack,
  type PlacedTransfer,
  type PlacedUnpack,
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
    else if (step.kind === 'pack' || step.kind === 'unpack') faults.push(...checkBucket(graph, step));
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

/** A bucket has its members' blocks one behind the other; all are partial over the same axes. */
function checkBucket(graph: PlacedGraph, step: PlacedPack | PlacedUnpack): DiagnosticError[] {
  const { kind, source, members } = step;
  const mesh = graph.meshes[step.group];
  const [flat, tensors] = kind === 'pack' ? [step.outputs[0], step.inputs] : [step.inputs[0], step.outputs];
  const bucket = graph.values[flat];
  const { partial } = bucket.layout;
  const packed = packedType(mesh, bucket.type.dtype, members);
  const wanted = [
    { value: bucket, type: packed.type, splits: packed.layout.splits },
    ...tensors.map((id, k) => {
      const { type, layout } = members[k] ?? { type: bucket.type, layout: bucket.layout };
      return { value: graph.values[id], type: { ...type, dtype: bucket.type.dtype }, splits: layout.splits };
    }),
  ];
  return wanted.flatMap(({ value, type, splits }): DiagnosticError[] => {
    if (value.group !== step.group)
      return [diagnose.otherGroup({ op: kind, value: value.name, group: value.group, source })];
    if (tensors.length !== members.length || value.type.dtype !== type.dtype || !sameFactors(value.type, type))
      return [diagnose.ruleMismatch({ op: kind, what: `has '${value.name}' as another tensor`, source })];
    const needs = canonicalLayout(mesh, type, { splits, partial });
    return sameLayout(value.layout, needs)
      ? []
      : [diagnose.layoutMismatch({ step: kind, value: value.name, has: value.layout, needs, source })];
  });
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
