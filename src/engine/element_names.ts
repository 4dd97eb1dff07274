/**
 * Elements of a program's values, in names that the model's author knows: what is stored, reduced or updated of a bucket is so of the
 * tensors that lie in it.
 *
 *   'blocks.0.mlp.up.weight'                                         of a stored bucket
 *   'gradient.bucket.4 {elements:data}' (blocks.0.mlp.up.weight)     of what follows from one, element by element
 */
import type { Coordinates, Mesh } from '../ir/mesh.js';
import { elementsOf, namesOf } from '../ir/type.js';
import { elementsFactor, heldBy, type PackedTensor } from '../partition/packing.js';
import { operandsOf } from '../program/kinds.js';
import type { ProgramValue, RankClass, ValueIndex } from '../program/program.js';
import { instructionsOf } from '../program/unroll.js';

/** A rank of a class, and where it stands in the mesh of its group. */
export interface ClassMember {
  readonly rankClass: RankClass;
  readonly mesh: Mesh;
  readonly at: Coordinates;
}

/** Of a bucket so many tensors are named. */
const mostNamed = 3;

/**
 * What people call some elements of a rank's block of a value. `has`: whether any of them are in a run of the block's elements, half-open.
 * Padding has no name but the value's.
 */
export function nameOfElements(
  { rankClass, mesh, at }: ClassMember,
  value: ValueIndex,
  has: (from: number, to: number) => boolean,
): string {
  const { name, layout, tensors: own } = rankClass.values[value];
  const tensors = own ?? tensorsOfBucket(rankClass, value);
  const held = tensors ? heldBy(mesh, tensors, layout, at) : [];
  const names = new Set(held.filter((one) => has(one.start, one.start + one.elements)).map((one) => one.name));
  if (names.size === 0) return `'${name}'`;
  return own ? listed([...names].map((one) => `'${one}'`)) : `'${name}' (${listed([...names])})`;
}

/** The parameters in the bucket that a value follows from, element by element; null where it follows from none. */
function tensorsOfBucket({ values, templates }: RankClass, value: ValueIndex): readonly PackedTensor[] | null {
  if (!isFlat(values[value])) return null;
  // Buckets do not meet: what touches a flat value in one instruction, and has as many elements, is of the same bucket.
  const elements = elementsOf(values[value].global);
  const together = templates.flatMap((template) =>
    instructionsOf(template).flatMap((instruction) => {
      const alike = operandsOf(instruction)
        .map((operand) => operand.value)
        .filter((one) => isFlat(values[one]) && elementsOf(values[one].global) === elements);
      return alike.length > 1 ? [alike] : [];
    }),
  );
  const found = new Set([value]);
  // A set grows while it is gone through.
  for (const one of found) {
    const { is, tensors } = values[one];
    if (tensors && is.kind === 'stored' && is.role.kind === 'parameter') return tensors;
    for (const alike of together) if (alike.includes(one)) alike.forEach((other) => found.add(other));
  }
  return null;
}

const isFlat = ({ global, is }: ProgramValue): boolean =>
  is.kind !== 'buffer' && namesOf(global).join() === elementsFactor;

const listed = (names: readonly string[]): string =>
  names.length <= mostNamed
    ? names.join(', ')
    : `${names.slice(0, mostNamed).join(', ')} and ${names.length - mostNamed} more`;
