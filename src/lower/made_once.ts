/**
 * What is made once a step: what follows from parameters and state alone is the same for every microbatch. The templates of the first
 * microbatch make it and the others read it: the casts of weights, and a tied weight that another group reads, with its messages. Kept
 * for each microbatch in flight they would be most of a pipeline's memory; sent for each, they would hold up the activations behind them.
 */
import type { PlacedGraph, PlacedId, PlacedStep } from '../partition/placed.js';

/** The steps of a step graph that run for the first microbatch only. What a step sums over microbatches is made for each. */
export function madeOnce({ inputs, steps, outputs }: PlacedGraph): ReadonlySet<PlacedStep> {
  const packed = steps.flatMap((step) => (step.kind === 'pack' ? [...step.inputs, ...step.outputs] : []));
  const summed = new Set([...outputs.map(({ value }) => value), ...packed]);
  const same = new Set<PlacedId>();
  for (const { kind, value } of inputs) if (kind === 'parameter' || kind === 'state') same.add(value);
  const found = new Set<PlacedStep>();
  for (const step of steps) {
    if (step.scope !== undefined && step.scope !== 'step') continue;
    if (step.inputs.length === 0 || !step.inputs.every((id) => same.has(id))) continue;
    if (step.outputs.some((id) => summed.has(id))) continue;
    found.add(step);
    for (const id of step.outputs) same.add(id);
  }
  return found;
}
