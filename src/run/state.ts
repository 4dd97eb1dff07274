/**
 * Where a program's state lies: which rank holds which tiles of each parameter and of the optimizer's state.
 *
 * Equal tiles are replicas, of which the lowest rank's stands for all.
 */
import { tileOf } from '../ir/layout.js';
import { coordinatesOf, meshRanks, type Coordinates, type Mesh } from '../ir/mesh.js';
import type { TensorType } from '../ir/type.js';
import { heldBy } from '../partition/packing.js';
import type { Program, ProgramValue } from '../program/program.js';
import type { Tile } from '../reshard/region.js';

export interface StateTensor {
  /** As checkpoints name it. */
  readonly name: string;
  /** The optimizer's, or a parameter. */
  readonly kind: 'parameter' | 'optimizer';
  readonly global: TensorType;
  /** What every rank holds, replicas included. */
  readonly blocks: readonly StateBlock[];
  /** The distinct ones, each on the lowest rank that has it: together the whole tensor. */
  readonly parts: readonly StateBlock[];
}

export interface StateBlock {
  /** Global rank. */
  readonly rank: number;
  /** The elements it holds, in this order: a box, or the boxes that a run of a bucket consists of. */
  readonly tiles: readonly Tile[];
  /** The value's name in the rank's class. */
  readonly value: string;
  /** Which elements of the value these are, where it holds other tensors too. */
  readonly elements?: readonly [from: number, to: number];
}

/** Parameters and optimizer state of a training program, in the order of their addresses. */
export function stateOf(program: Program): readonly StateTensor[] {
  const tensors = new Map<string, Pick<StateTensor, 'kind' | 'global'> & { readonly blocks: StateBlock[] }>();
  for (const { group, members, values, before } of program.classes) {
    const { mesh, firstRank } = program.groups[group];
    for (const { at } of before.values) {
      for (let r = 0; r < meshRanks(mesh); r++) {
        const coordinates = coordinatesOf(mesh, r);
        if (!members.some((member) => mesh.axes.every((axis) => member[axis.name] === coordinates[axis.name])))
          continue;
        for (const { name, kind, global, ...block } of contentsOf(mesh, values[at], coordinates)) {
          const tensor = tensors.get(name) ?? { kind, global, blocks: [] };
          tensors.set(name, tensor);
          tensor.blocks.push({ rank: firstRank + r, ...block });
        }
      }
    }
  }
  return [...tensors].map(([name, { kind, global, blocks }]) => {
    const ordered = blocks.toSorted((a, b) => a.rank - b.rank);
    const distinct = new Map<string, StateBlock>();
    for (const block of ordered) if (!distinct.has(String(block.tiles))) distinct.set(String(block.tiles), block);
    return { name, kind, global, blocks: ordered, parts: [...distinct.values()] };
  });
}

/** The tensors, or parts of them, that a rank's block of a persistent value holds. */
function contentsOf(mesh: Mesh, { name: value, is, global, layout, tensors }: ProgramValue, at: Coordinates) {
  const kind = is.kind === 'stored' && is.role.kind === 'state' ? ('optimizer' as const) : ('parameter' as const);
  if (!tensors) return [{ name: value, kind, global, value, tiles: [tileOf(mesh, global, layout, at)] }];
  return heldBy(mesh, tensors, layout, at).map(({ name, type, boxes, start, elements }) => ({
    name,
    kind,
    global: type,
    value,
    tiles: boxes,
    elements: [start, start + elements] as const,
  }));
}
