/**
 * Overlap: each collective starts as soon as its operand is there, and is waited for as late as its result is read.
 *
 * A placed graph lists a move before the op that asked for it. Here moves rise to just after the step that makes their operand, in
 * their own order, so that every rank of a group still launches the same sequence. Moves of a step's inputs, and what is made for a scope
 * (parameters that are gathered for a segment), stay where they are: they would otherwise all begin, and be held, at the start.
 */
import type { PlacedId, PlacedStep } from '../partition/placed.js';

export function hoistMoves(steps: readonly PlacedStep[]): readonly PlacedStep[] {
  const madeAt = new Map<PlacedId, number>();
  steps.forEach((step, i) => step.outputs.forEach((output) => madeAt.set(output, i)));
  const following = new Map<number, PlacedStep[]>();
  const risen = new Set<PlacedStep>();
  for (const step of steps) {
    if (step.kind === 'op' || step.kind === 'pack' || step.scope !== undefined) continue;
    const at = madeAt.get(step.inputs[0]);
    if (at === undefined) continue;
    risen.add(step);
    const after = following.get(at);
    if (after) after.push(step);
    else following.set(at, [step]);
  }
  const position = new Map(steps.map((step, i) => [step, i]));
  const ordered: PlacedStep[] = [];
  const emit = (step: PlacedStep) => {
    ordered.push(step);
    for (const move of following.get(position.get(step)!) ?? []) emit(move);
  };
  for (const step of steps) if (!risen.has(step)) emit(step);
  return ordered;
}
