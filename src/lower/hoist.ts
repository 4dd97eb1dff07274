/**
 * Overlap: each collective starts as soon as its operand is there, and is waited for as late as its result is read.
 *
 * A placed graph lists a move before the op that asked for it. Here moves rise to just after the step that makes their operand, in
 * their own order, so that every rank of a group still launches the same sequence. Moves of a step's inputs stay where they are, and so
 * does what is made for a scope that its operand is not made in (parameters that are gathered for a segment): they would otherwise all
 * begin, and be held, at the start. What brings a gathered parameter to another layout stays, too: it would wait for the gather. What
 * goes on round a ring leaves as the step begins that reads it, so that two parts are there at once and not all.
 */
import { turnOf } from '../ir/layout.js';
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
  const preceding = new Map<number, PlacedStep[]>();
  const firstReader = firstReaders(steps);
  const risen = new Set<PlacedStep>();
  for (const step of steps) {
    if (step.kind === 'op' || step.kind === 'pack') continue;
    const at = madeAt.get(step.inputs[0]);
    if (at === undefined || leavesScope(graph, step, steps[at])) continue;
    if (gathers.has(steps[at]) && !gathers.has(step)) continue;
    risen.add(step);
    const reader = goesOn(graph, step) ? firstReader.get(step.inputs[0]) : undefined;
    const [where, place] = reader === undefined ? [following, at] : [preceding, reader];
    const there = where.get(place);
    if (there) there.push(step);
    else where.set(place, [step]);
  }
  const position = new Map(steps.map((step, i) => [step, i]));
  const ordered: PlacedStep[] = [];
  const emit = (step: PlacedStep) => {
    for (const move of preceding.get(position.get(step)!) ?? []) emit(move);
    ordered.push(step);
    for (const move of following.get(position.get(step)!) ?? []) emit(move);
  };
  for (const step of steps) if (!risen.has(step)) emit(step);
  return ordered;
}

/** Of each value the place of the first op that reads it. */
function firstReaders(steps: readonly PlacedStep[]): ReadonlyMap<PlacedId, number> {
  const first = new Map<PlacedId, number>();
  steps.forEach((step, i) => {
    if (step.kind === 'op') for (const input of step.inputs) if (!first.has(input)) first.set(input, i);
  });
  return first;
}

/** Whether a move takes further round a ring what came by it. */
const goesOn = ({ values }: Pick<PlacedGraph, 'values'>, { inputs, outputs }: PlacedStep): boolean =>
  [inputs[0], outputs[0]].every((id) => Object.values(values[id].layout.splits).some((split) => turnOf(split) !== 0));

/** Whether a step would leave the segment for which it is made. Slots have one direction. */
const leavesScope = (graph: Pick<PlacedGraph, 'values'>, step: PlacedStep, { source }: PlacedStep): boolean =>
  scopeOf(graph, step) === 'segment and direction' && source.segment !== step.source.segment;
