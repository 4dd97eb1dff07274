/**
 * Where a run's state lies: which rank holds which tiles of each parameter and of the optimizer's state. It follows from the placed graphs
 * and from ranks' places in the meshes; a rank's program has its blocks under the same names.
 *
 * Equal tiles are replicas, of which the lowest rank's stands for all.
 */
import { tileOf } from '../ir/layout.js';
import {
  axesSize,
  coordinatesAlong,
  coordinatesOf,
  meshRanks,
  rankAt,
  type Coordinates,
  type Mesh,
} from '../ir/mesh.js';
import type { TensorType } from '../ir/type.js';
import { heldBy } from '../partition/packing.js';
import type { PlacedGraphs } from '../partition/place_graphs.js';
import { storedState, type StoredValue } from '../partition/stored_state.js';
import type { Tile } from '../reshard/region.js';

export interface StateTensor {
  /** As checkpoints name it. */
  readonly name: string;
  /** The optimizer's, or a parameter. */
  readonly kind: 'parameter' | 'optimizer';
  readonly global: TensorType;
  /** What the ranks of this process hold, replicas included. */
  readonly blocks: readonly StateBlock[];
  /** The distinct ones of all ranks, each on the lowest rank that has it: together the whole tensor. */
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

/**
 * Parameters and optimizer state of what these graphs say, buckets first, as they lie in memory. `ranks`: global ranks of this process. Of the
 * others, only those are looked at that may hold a part of their own.
 */
export function stateOf(placed: PlacedGraphs, ranks: readonly number[]): readonly StateTensor[] {
  const tensors = new Map<string, Found>();
  const { meshes } = placed.step;
  let firstRank = 0;
  for (const [group, mesh] of meshes.entries()) {
    const here = ranks.map((rank) => rank - firstRank).filter((rank) => rank >= 0 && rank < meshRanks(mesh));
    for (const stored of storedState(placed, group)) {
      for (const rank of new Set([...here, ...distinctRanks(mesh, stored)])) {
        for (const { name, kind, global, ...block } of contentsOf(mesh, stored, coordinatesOf(mesh, rank))) {
          const tensor = tensors.get(name) ?? { kind, global, blocks: [] };
          tensors.set(name, tensor);
          tensor.blocks.push({ rank: firstRank + rank, ...block });
        }
      }
    }
    firstRank += meshRanks(mesh);
  }
  return [...tensors].map(([name, { kind, global, blocks }]) => {
    const ordered = blocks.toSorted((a, b) => a.rank - b.rank);
    const distinct = new Map<string, StateBlock>();
    for (const block of ordered) if (!distinct.has(String(block.tiles))) distinct.set(String(block.tiles), block);
    const own = ordered.filter(({ rank }) => ranks.includes(rank));
    return { name, kind, global, blocks: own, parts: [...distinct.values()] };
  });
}

type Found = Pick<StateTensor, 'kind' | 'global'> & { readonly blocks: StateBlock[] };

/** Ranks of a mesh of which every other holds a replica, the lowest that do: the first along each axis that splits nothing. */
function distinctRanks(mesh: Mesh, { layout, tensors }: StoredValue): readonly number[] {
  const layouts = [layout, ...(tensors ?? []).map((tensor) => tensor.layout)];
  const split = new Set(layouts.flatMap(({ splits }) => Object.values(splits).flatMap(({ axes }) => axes)));
  const axes = mesh.axes.flatMap(({ name }) => (split.has(name) ? [name] : []));
  const first = coordinatesOf(mesh, 0);
  return Array.from({ length: axesSize(mesh, axes) }, (_, part) =>
    rankAt(mesh, { ...first, ...coordinatesAlong(mesh, axes, part) }),
  );
}

/** The tensors, or parts of them, that a rank's block of a stored value holds. */
function contentsOf(mesh: Mesh, { name: value, role, type: global, layout, tensors }: StoredValue, at: Coordinates) {
  const kind = role.kind === 'state' ? ('optimizer' as const) : ('parameter' as const);
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
