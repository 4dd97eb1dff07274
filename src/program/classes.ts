/** Classes of equal ranks: the ranks of a stage whose blocks of every value have equal sizes share one program text. */
import { localType } from '../ir/layout.js';
import { coordinatesOf, meshRanks, type Coordinates, type Mesh } from '../ir/mesh.js';
import { sizesOf } from '../ir/type.js';
import type { PlacedValue } from '../partition/placed.js';

/** The ranks of a mesh, grouped by the sizes of their blocks and of the messages they exchange with other stages, in order of first rank. */
export function rankClasses(
  mesh: Mesh,
  values: readonly PlacedValue[],
  messages: (at: Coordinates) => string,
): readonly (readonly Coordinates[])[] {
  // Only uneven splits tell ranks apart, and few values have one.
  const uneven = values.filter((value) => isUneven(mesh, value));
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

function isUneven(mesh: Mesh, value: PlacedValue): boolean {
  const sizes = new Set<string>();
  const used = Object.values(value.layout.splits).flatMap((split) => split.axes);
  if (used.length === 0) return false;
  for (let rank = 0; rank < meshRanks(mesh); rank++) {
    sizes.add(sizesOf(localType(mesh, value.type, value.layout, coordinatesOf(mesh, rank))).join('x'));
    if (sizes.size > 1) return true;
  }
  return false;
}
