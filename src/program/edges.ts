/** Edges between stages: the messages that one rank sends or receives, in the order in which both ends count them. */
import type { Coordinates } from '../ir/mesh.js';
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

/** The sizes of all messages of a rank, as a key: ranks of a class send and receive alike. */
export function messageSizes(
  stages: readonly Pick<Stage, 'mesh'>[],
  edges: readonly StageEdge[],
  stage: number,
  at: Coordinates,
): string {
  const sizes = (edge: StageEdge, direction: 'outgoing' | 'incoming') =>
    messagesOf(stages, edge, direction, at)
      .map(({ elements }) => elements)
      .join(',');
  return edges
    .map((edge) =>
      edge.fromStage === stage ? sizes(edge, 'outgoing') : edge.toStage === stage ? sizes(edge, 'incoming') : '',
    )
    .join(' ');
}

/**
 * Messages of the rank at `at` of the edge's source (`outgoing`) or destination stage. Ordered by peer: between two ranks there is at
 * most one message an edge.
 */
export function messagesOf(
  stages: readonly Pick<Stage, 'mesh'>[],
  edge: StageEdge,
  direction: 'outgoing' | 'incoming',
  at: Coordinates,
): readonly TileTransfer[] {
  const [source, destination] = [stages[edge.fromStage].mesh, stages[edge.toStage].mesh];
  return new Crossing(source, edge.from, destination, edge.to, edge.global)[direction](at);
}
