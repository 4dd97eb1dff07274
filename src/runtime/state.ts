/**
 * Where a program's state lies: which rank holds which tile of each parameter and of the optimizer's state.
 *
 * Equal tiles are replicas, of which the lowest rank's stands for all.
 */
import { tileOf } from '../ir/layout.js';
import { coordinatesOf, meshRanks } from '../ir/mesh.js';
import type { TensorType } from '../ir/type.js';
import type { Program } from '../program/program.js';
import type { Tile } from './blocks.js';

export interface StateTensor {
  /** As checkpoints name it. */
  readonly name: string;
  readonly global: TensorType;
  /** Every rank's tile, replicas included. */
  readonly blocks: readonly StateBlock[];
  /** The distinct tiles, each on the lowest rank that has it: together the whole tensor. */
  readonly parts: readonly StateBlock[];
}

export interface StateBlock {
  /** Global rank. */
  readonly rank: number;
  readonly tile: Tile;
  /** The value's name in the rank's class: a tensor that several stages store has another on all but the first. */
  readonly value: string;
}

/** Parameters and optimizer state of a training program, in the order of their addresses. */
export function stateOf(program: Program): readonly StateTensor[] {
  const tensors = new Map<string, { global: TensorType; blocks: StateBlock[] }>();
  for (const { stage, members, values, before } of program.classes) {
    const { mesh, firstRank } = program.stages[stage];
    for (const { at } of before.values) {
      const value = values[at];
      const name = value.name.replace(/ @\d+$/, '');
      const tensor = tensors.get(name) ?? { global: value.global, blocks: [] };
      tensors.set(name, tensor);
      for (let r = 0; r < meshRanks(mesh); r++) {
        const coordinates = coordinatesOf(mesh, r);
        if (!members.some((member) => mesh.axes.every((axis) => member[axis.name] === coordinates[axis.name])))
          continue;
        const tile = tileOf(mesh, value.global, value.layout, coordinates);
        tensor.blocks.push({ rank: firstRank + r, tile, value: value.name });
      }
    }
  }
  return [...tensors].map(([name, { global, blocks }]) => {
    const ordered = blocks.toSorted((a, b) => a.rank - b.rank);
    const distinct = new Map<string, StateBlock>();
    for (const block of ordered) if (!distinct.has(String(block.tile))) distinct.set(String(block.tile), block);
    return { name, global, blocks: ordered, parts: [...distinct.values()] };
  });
}
