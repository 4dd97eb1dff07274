/** Edges between stages: the messages that one rank sends or receives, in the order in which both ends count them. */
import { printLayout } from '../ir/layout.js';
import type { Coordinates } from '../ir/mesh.js';
import { printFactors } from '../ir/type.js';
import { Crossing, type TileTransfer } from '../reshard/cross_mesh.js';
import type { PlacedGraph } from '../partition/placed.js';
import type { Stage, StageEdge } from './program.js';

/** The edges of a placed graph, in its order. */
export const edgesOf = (graph: PlacedGraph): readonly StageEdge[] =>
  graph.steps.flatMap((step) => {
    if (step.kind !== 'transfer') return [];
    const [from, to] = [graph.values[step.inputs[0]], graph.values[step.outputs[0]]];
    return [{ fromStage: step.fromStage, toStage: step.stage, global: from.type, from: from.layout, to: to.layout }];
  });

/** An edge as a key: edges of the same stages, type and layouts are alike. */
export const edgeText = ({ fromStage, toStage, global, from, to }: StageEdge): string =>
  `${fromStage}>${toStage} ${printFactors(global)} ${printLayout(from)} -> ${printLayout(to)}`;

/**
 * For the ranks of a stage: the sizes of all messages of one, as a key. Ranks of a class send and receive alike.
 */
export function messageSizes(
  stages: readonly Pick<Stage, 'mesh'>[],
  edges: readonly StageEdge[],
  stage: number,
): (at: Coordinates) => string {
  const ends = edges.map((edge) =>
    edge.fromStage === stage
      ? messagesOf(stages, edge, 'outgoing')
      : edge.toStage === stage
        ? messagesOf(stages, edge, 'incoming')
        : () => [],
  );
  return (at) =>
    ends
      .map((messages) =>
        messages(at)
          .map(({ elements }) => elements)
          .join(','),
      )
      .join(' ');
}

/**
 * For the ranks of an edge's source (`outgoing`) or destination stage: the messages of one. Ordered by peer: between two ranks there is at
 * most one message an edge.
 */
export function messagesOf(
  stages: readonly Pick<Stage, 'mesh'>[],
  edge: StageEdge,
  direction: 'outgoing' | 'incoming',
): (at: Coordinates) => readonly TileTransfer[] {
  const [source, destination] = [stages[edge.fromStage].mesh, stages[edge.toStage].mesh];
  const crossing = new Crossing(source, edge.from, destination, edge.to, edge.global);
  return (at) => crossing[direction](at);
}

/** Of each of several ranks, the messages along an edge. */
export type MessagesOfAll = (
  edge: StageEdge,
  direction: 'outgoing' | 'incoming',
) => readonly (readonly TileTransfer[])[];

/** As {@link messagesOf}, for all ranks of a class; what has been asked before is remembered. */
export function messagesOfAll(stages: readonly Pick<Stage, 'mesh'>[], members: readonly Coordinates[]): MessagesOfAll {
  const known = new Map<string, readonly (readonly TileTransfer[])[]>();
  return (edge, direction) => {
    const key = `${direction} ${edgeText(edge)}`;
    const found = known.get(key) ?? members.map(messagesOf(stages, edge, direction));
    known.set(key, found);
    return found;
  };
}
