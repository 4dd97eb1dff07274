/**
 * Overlap: each collective starts as soon as its operand is there, and is waited for as late as its result is read.
 *
 * A placed graph lists a move before the op that asked for it. Here moves rise to just after the step that makes their operand, in
 * their own order, so that every rank of a group still launches the same sequence. Moves of a step's inputs stay where they are, and so
 * does what is made for a scope that its operand is not made in (parameters that are gathered for a segment): they would otherwise all
 * begin, and be held, at the start. What brings a gathered parameter to another layout stays, too: it would wait for the gather.
 */
import { scopeOf, type PlacedGraph, type PlacedId, type PlacedStep } from '../partition/placed.js';

/** `steps`: of the graph, those that one slot runs. `gathers`: of them, those that gather parameters for a segment. */
export function hoistMoves(
  graph: Pick<PlacedGraph, 'values'>,
  steps: readonly PlacedStep[],
  gathers: ReadonlySet<PlacedStep> = new Set(),
): readonly PlacedStep[] {
  const madeAt = new Map<PlacedId, number>();
  steps.forEach((step, i) => step.outputs.forEach((output) => madeAt.set(output, i)));
  const following = new Map<number, PlacedStep[]>();
  const risen = new Set<PlacedStep>();
  for (const step of steps) {
    if (step.kind === 'op' || step.kind === 'pack') continue;
    const at = madeAt.get(step.inputs[0]);
    if (at === undefined || leavesScope(graph, step, steps[at])) continue;
    if (gathers.has(steps[at]) && !gathers.has(step)) continue;
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

/** Whether a step would leave the segment for which it is made. Slots have one direction. */
const leavesScope = (graph: Pick<PlacedGraph, 'values'>, step: PlacedStep, { source }: PlacedStep): boolean =>
  scopeOf(graph, step) === 'segment and direction' && source.segment !== step.source.segment;
