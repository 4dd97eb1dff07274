/**
 * The checker of reductions: gradients are reduced in the type that the plan says, each addend is cast for that alone, and no other sum is
 * rounded addend by addend. Neither placement nor meaning tells it: such a cast is linear by its rule, and means its operand.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import type { DType } from '../ir/dtype.js';
import { castTo, opNamed, type OpRegistry } from '../ir/op.js';
import * as diagnose from './diagnostics.js';
import { describeStep, makersOf, type PlacedGraph, type PlacedId, type PlacedStep } from './placed.js';

/** Every reduction of a gradient in another type, and every rounded addend of anything else; empty where there is none. */
export function checkReductions(
  graph: PlacedGraph,
  registry: OpRegistry,
  reduce: (gradient: DType) => DType,
): readonly DiagnosticError[] {
  const chains = gradientChains(graph, registry);
  return graph.steps.flatMap((step): DiagnosticError[] => {
    const [from, to] = [graph.values[step.inputs[0]], graph.values[step.outputs[0]]];
    const gradient = chains.get(step);
    if (step.kind === 'move' && gradient !== undefined) {
      const reduced = Object.keys(from.layout.partial).some((axis) => !(axis in to.layout.partial));
      const wanted = reduce(gradient);
      return reduced && from.type.dtype !== wanted
        ? [
            diagnose.reducedInAnotherType({
              step: describeStep(step),
              is: from.type.dtype,
              wanted,
              source: step.source,
            }),
          ]
        : [];
    }
    if (step.kind !== 'op') return [];
    const { addends, exact } = opNamed(registry, step.op);
    // What is exact has a checker of its own (`check_exact_sums.ts`).
    if (addends !== true || exact === true) return [];
    const legal = gradient !== undefined && [gradient, reduce(gradient)].includes(to.type.dtype);
    return legal ? [] : [diagnose.addendsRounded({ op: step.op, value: from.name, source: step.source })];
  });
}

/**
 * The steps through which gradients go to where they are read, each with the element type that the gradient had or is to have: back from
 * what a step gives, on from what an update takes.
 */
function gradientChains(graph: PlacedGraph, registry: OpRegistry): ReadonlyMap<PlacedStep, DType> {
  const { values, inputs, outputs, steps } = graph;
  const chains = new Map<PlacedStep, DType>();
  const makers = makersOf(graph);
  const passesOn = (step: PlacedStep) =>
    step.kind === 'move' || step.kind === 'pack' || (step.kind === 'op' && castTo(registry, step) !== null);
  const back = (id: PlacedId, dtype: DType): void => {
    const maker = makers.get(id);
    if (!maker || !passesOn(maker) || chains.has(maker)) return;
    chains.set(maker, dtype);
    for (const input of maker.inputs) back(input, dtype);
  };
  for (const { role, value } of outputs) if (role.kind === 'gradient') back(value, values[value].type.dtype);
  const on = new Map<PlacedId, DType>();
  for (const { role, value } of inputs) if (role.kind === 'gradient') on.set(value, values[value].type.dtype);
  for (const step of steps) {
    const dtype = on.get(step.inputs[0]);
    if (dtype === undefined || !passesOn(step)) continue;
    chains.set(step, dtype);
    for (const output of step.outputs) on.set(output, dtype);
  }
  return chains;
}
