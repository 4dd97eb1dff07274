/** Placed graphs with one thing changed: copies, never the original. */
import type { Layout } from '../../../src/ir/layout.js';
import { printFactors } from '../../../src/ir/type.js';
import type {
  PlacedGraph,
  PlacedId,
  PlacedMove,
  PlacedOp,
  PlacedStep,
  PlacedValue,
} from '../../../src/partition/placed.js';
import type { Random } from '../random.js';

export interface Place<S extends PlacedStep = PlacedStep> {
  readonly at: number;
  readonly step: S;
}

/** Changes one thing at a random place; null where the graph has none. */
export type PlacedMutation = (graph: PlacedGraph, random: Random) => PlacedGraph | null;
export type PlacedMutations = Readonly<Record<string, PlacedMutation>>;

/** Applies a change to a random step of a kind that fits. */
export function onStep<K extends PlacedStep['kind']>(
  kind: K,
  fits: (step: Extract<PlacedStep, { readonly kind: K }>) => boolean,
  change: (
    graph: PlacedGraph,
    place: Place<Extract<PlacedStep, { readonly kind: K }>>,
    random: Random,
  ) => PlacedGraph | null,
): PlacedMutation {
  type S = Extract<PlacedStep, { readonly kind: K }>;
  return (graph, random) => {
    const places = graph.steps.flatMap((step, at) =>
      step.kind === kind && fits(step as S) ? [{ at, step: step as S }] : [],
    );
    return places.length === 0 ? null : change(graph, random.pick(places), random);
  };
}

export const replaceStep = (graph: PlacedGraph, at: number, ...steps: readonly PlacedStep[]): PlacedGraph => ({
  ...graph,
  steps: graph.steps.flatMap((step, i) => (i === at ? steps : [step])),
});

/** One of a step's inputs, of those at these places, as a value like it; null where there is none. */
export function readAnother(
  graph: PlacedGraph,
  { at, step }: Place<PlacedOp>,
  among: readonly number[],
  random: Random,
): PlacedGraph | null {
  if (among.length === 0) return null;
  const k = random.pick(among);
  const others = lookalikes(graph, step.inputs[k], at);
  if (others.length === 0) return null;
  return replaceStep(graph, at, {
    ...step,
    inputs: step.inputs.map((id, i) => (i === k ? random.pick(others) : id)),
  });
}

/** Readers of `from`, behind a step, and outputs read `to`. */
export const reread = (graph: PlacedGraph, from: PlacedId, to: PlacedId, behind = -1): PlacedGraph => ({
  ...graph,
  steps: graph.steps.map((step, i) =>
    i > behind ? ({ ...step, inputs: step.inputs.map((id) => (id === from ? to : id)) } as PlacedStep) : step,
  ),
  outputs: graph.outputs.map((output) => (output.value === from ? { ...output, value: to } : output)),
});

export const restate = (graph: PlacedGraph, id: PlacedId, layout: Layout): PlacedGraph => ({
  ...graph,
  values: graph.values.map((value) => (value.id === id ? { ...value, layout } : value)),
});

/** A value like another, of a name of its own. */
export function withCopy(graph: PlacedGraph, id: PlacedId): { readonly graph: PlacedGraph; readonly copy: PlacedId } {
  const copy = graph.values.length;
  const value: PlacedValue = { ...graph.values[id], id: copy, name: `${graph.values[id].name} again` };
  return { graph: { ...graph, values: [...graph.values, value] }, copy };
}

/** Values of the type and group of another that are made before a step. */
export function lookalikes(graph: PlacedGraph, id: PlacedId, before: number): readonly PlacedId[] {
  const made = new Set([...graph.inputs.map(({ value }) => value), ...outputsBefore(graph, before)]);
  const text = ({ type, group }: PlacedValue) => `${type.dtype} ${printFactors(type)} ${group}`;
  const wanted = text(graph.values[id]);
  return graph.values.flatMap((value) =>
    value.id !== id && made.has(value.id) && text(value) === wanted ? [value.id] : [],
  );
}

const outputsBefore = ({ steps }: PlacedGraph, before: number): readonly PlacedId[] =>
  steps.slice(0, before).flatMap(({ outputs }) => outputs);

/** What a move reads is read in its place, and in half of the cases said to lie as its result does. */
export function skipMove(graph: PlacedGraph, { at, step }: Place<PlacedMove>, random: Random): PlacedGraph {
  const [[from], [to]] = [step.inputs, step.outputs];
  const skipped = reread(replaceStep(graph, at), to, from);
  return random.chance(0.5) ? skipped : restate(skipped, from, graph.values[to].layout);
}
