/** Edges between groups: the messages that one rank sends or receives, in the order in which both ends count them. */
import { printLayout } from '../ir/layout.js';
import type { Coordinates } from '../ir/mesh.js';
import { printFactors } from '../ir/type.js';
import { Crossing, type TileTransfer } from '../reshard/cross_mesh.js';
import type { PlacedGraph } from '../partition/placed.js';
import type { Group, GroupEdge } from './program.js';

/** The edges of a placed graph, in its order. */
export const edgesOf = (graph: PlacedGraph): readonly GroupEdge[] =>
  graph.steps.flatMap((step) => {
    if (step.kind !== 'transfer') return [];
    const [from, to] = [graph.values[step.inputs[0]], graph.values[step.outputs[0]]];
    return [{ fromGroup: step.fromGroup, toGroup: step.group, global: from.type, from: from.layout, to: to.layout }];
  });

/** An edge as a key: edges of the same groups, type and layouts are alike. */
export const edgeText = ({ fromGroup, toGroup, global, from, to }: GroupEdge): string =>
  `${fromGroup}>${toGroup} ${printFactors(global)} ${printLayout(from)} -> ${printLayout(to)}`;

/**
 * For the ranks of a group: the sizes of all messages of one, as a key. Ranks of a class send and receive alike.
 */
export function messageSizes(
  groups: readonly Pick<Group, 'mesh'>[],
  edges: readonly GroupEdge[],
  group: number,
): (at: Coordinates) => string {
  const alike = new Map(edges.map((edge) => [edgeText(edge), edge]));
  const ends = [...alike.values()].flatMap((edge) =>
    edge.fromGroup === group
      ? [messagesOf(groups, edge, 'outgoing')]
      : edge.toGroup === group
        ? [messagesOf(groups, edge, 'incoming')]
        : [],
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
 * For the ranks of an edge's source (`outgoing`) or destination group: the messages of one. Ordered by peer: between two ranks there is at
 * most one message an edge.
 */
export function messagesOf(
  groups: readonly Pick<Group, 'mesh'>[],
  edge: GroupEdge,
  direction: 'outgoing' | 'incoming',
): (at: Coordinates) => readonly TileTransfer[] {
  const [source, destination] = [groups[edge.fromGroup].mesh, groups[edge.toGroup].mesh];
  const crossing = new Crossing(source, edge.from, destination, edge.to, edge.global);
  return (at) => crossing[direction](at);
}

/** Of each of several ranks, the messages along an edge. */
export type MessagesOfAll = (
  edge: GroupEdge,
  direction: 'outgoing' | 'incoming',
) => readonly (readonly TileTransfer[])[];

/** As {@link messagesOf}, for all ranks of a class; what has been asked before is remembered. */
export function messagesOfAll(groups: readonly Pick<Group, 'mesh'>[], members: readonly Coordinates[]): MessagesOfAll {
  const known = new Map<string, readonly (readonly TileTransfer[])[]>();
  return (edge, direction) => {
    const key = `${direction} ${edgeText(edge)}`;
    const found = known.get(key) ?? members.map(messagesOf(groups, edge, direction));
    known.set(key, found);
    return found;
  };
}
