/** Classes of equal ranks: the ranks of a group whose blocks of every value have equal sizes share one program text. */
import { localType, splitsEvenly } from '../ir/layout.js';
import { coordinatesOf, meshRanks, type Coordinates, type Mesh } from '../ir/mesh.js';
import { printType, sizesOf, type TensorType } from '../ir/type.js';
import type { PlacedGraph, PlacedValue } from '../partition/placed.js';
import { lowerMove } from '../reshard/lower.js';
import { printMove, type Move } from '../reshard/moves.js';

/** The ranks of a mesh, grouped by the sizes of their blocks and of the messages they exchange, in order of first rank. */
export function rankClasses(
  mesh: Mesh,
  values: readonly PlacedValue[],
  /** The sizes of what a rank exchanges with others, as a key. */
  messages: (at: Coordinates) => string,
): readonly (readonly Coordinates[])[] {
  // Only uneven splits tell ranks apart, and few values have one.
  const uneven = values.filter(({ type, layout }) => !splitsEvenly(mesh, type, layout));
  const classes = new Map<string, Coordinates[]>();
  for (let rank = 0; rank < meshRanks(mesh); rank++) {
    const at = coordinatesOf(mesh, rank);
    const sizes = uneven.map((value) => sizesOf(localType(mesh, value.type, value.layout, at)).join('x'));
    const key = `${sizes.join(' ')} ${messages(at)}`;
    const members = classes.get(key);
    if (members) members.push(at);
    else classes.set(key, [at]);
  }
  return [...classes.values()];
}

/**
 * The sizes of what the rank at `at` gives to and gets from the collectives of a group, as a key. Blocks of equal sizes do not make
 * them equal: where replicas share the sending one of them sends nothing.
 */
export function exchangeSizes(mesh: Mesh, moves: readonly GroupMove[], at: Coordinates): string {
  const total = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);
  return moves
    .map(({ move, type }) => {
      const { collective } = lowerMove(mesh, type, move, at);
      return collective ? `${total(collective.inputCounts)}>${total(collective.outputCounts)}` : '';
    })
    .join(' ');
}

export interface GroupMove {
  readonly move: Move;
  readonly type: TensorType;
}

/** The exchanges of a group that may treat its ranks unlike, each once. The counts of other collectives follow from blocks. */
export function exchangesOf(graphs: readonly PlacedGraph[], group: number): readonly GroupMove[] {
  const found = new Map<string, GroupMove>();
  for (const graph of graphs) {
    for (const step of graph.steps) {
      if (step.kind !== 'move' || step.group !== group || step.move.kind !== 'all_to_all') continue;
      const { type } = graph.values[step.inputs[0]];
      found.set(`${printMove(step.move)} ${printType(type)}`, { move: step.move, type });
    }
  }
  return [...found.values()];
}
