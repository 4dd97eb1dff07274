/**
 * Global values to the blocks of ranks and back, by each value's layout.
 *
 * A parameter lies in parts on the ranks of a group, replicated over some axes; a value stored by several groups lies whole on each.
 * Reading it back checks that all replicas are equal, bit for bit.
 */
import type { Program, ProgramValue, Group } from '../../program/program.js';
import { meshRanks, type Mesh } from '../../ir/mesh.js';
import { elementsOf } from '../../ir/type.js';
import { pack, unpack } from '../../partition/packing.js';
import { shard, unshard, type Blocks } from '../../reshard/execute.js';
import { notEverywhere, valueNotGiven } from '../diagnostics.js';
import { hostValues, instanceName, readableValues, type RankBlocks } from './execute.js';
import { placeRanks } from './virtual_rank.js';

/** Global values, row-major in the order of their factors: one array a persistent value, one for each scheduled microbatch of data. */
export type GlobalValues = Readonly<Record<string, Float64Array | readonly Float64Array[]>>;

/** What the host writes before a step, by global rank. Throws where a value that the program reads is not given. */
export function scatterValues(program: Program, given: GlobalValues): readonly RankBlocks[] {
  const shards = new Map<string, Blocks>();
  return placeRanks(program).map(({ rank, classIndex }) => {
    const rankClass = program.classes[classIndex];
    const group = program.groups[rankClass.group];
    const blocks = new Map<string, Float64Array>();
    const results = new Set(Object.values(rankClass.results));
    for (const { index, value, microbatch } of hostValues(rankClass, program.microbatches)) {
      const name = instanceName(value.name, microbatch);
      const key = `${rankClass.group} ${name}`;
      let sharded = shards.get(key);
      if (!sharded) {
        const whole = globalOf(given, group.mesh, value, microbatch);
        // Results lie at persistent addresses too; nobody gives those.
        if (!whole && results.has(index)) continue;
        if (!whole) throw valueNotGiven({ name, rank });
        sharded = shard(group.mesh, value.global, value.layout, whole);
        shards.set(key, sharded);
      }
      blocks.set(name, sharded[rank - group.firstRank]);
    }
    return blocks;
  });
}

/**
 * A value of the program put together from the blocks of a group's ranks, also one that lies in a bucket; the group defaults to the first
 * that has it.
 */
export function gatherValue(
  program: Program,
  blocks: readonly RankBlocks[],
  name: string,
  group?: number,
): Float64Array {
  for (const rankClass of program.classes) {
    if (group !== undefined && rankClass.group !== group) continue;
    for (const [stored, index] of readableValues(rankClass)) {
      const { global, layout, tensors } = rankClass.values[index];
      const among = tensors?.findIndex((tensor) => tensor.name === name) ?? -1;
      if (stored !== name && among < 0) continue;
      const at: Group = program.groups[rankClass.group];
      const parts = Array.from({ length: meshRanks(at.mesh) }, (_, i) => blocks[at.firstRank + i]?.get(stored));
      const missing = parts.flatMap((part, i) => (part ? [] : [at.firstRank + i]));
      if (missing.length > 0) throw notEverywhere({ name, ranks: missing });
      const whole = unshard(at.mesh, global, layout, parts as Float64Array[]);
      return among < 0 ? whole : unpack(at.mesh, tensors!, whole)[among];
    }
  }
  throw notEverywhere({ name, ranks: blocks.map((_, rank) => rank) });
}

/** Every value that can be read after a step, put together. */
export function gatherValues(program: Program, blocks: readonly RankBlocks[]): Readonly<Record<string, Float64Array>> {
  const names = new Set(
    program.classes.flatMap((rankClass) =>
      [...readableValues(rankClass)].flatMap(([name, index]) => {
        const { tensors } = rankClass.values[index];
        return tensors ? tensors.flatMap((tensor) => (tensor.isPadding ? [] : [tensor.name])) : [name];
      }),
    ),
  );
  return Object.fromEntries([...names].map((name) => [name, gatherValue(program, blocks, name)]));
}

function globalOf(
  given: GlobalValues,
  mesh: Mesh,
  { name, tensors }: ProgramValue,
  microbatch: number | null,
): Float64Array | undefined {
  if (tensors) {
    const wholes = tensors.map(({ name: tensor, type, isPadding }) =>
      isPadding ? new Float64Array(elementsOf(type)) : given[tensor],
    );
    return wholes.every((whole) => whole instanceof Float64Array) ? pack(mesh, tensors, wholes) : undefined;
  }
  const value = given[name];
  return microbatch === null || value instanceof Float64Array
    ? (value as Float64Array | undefined)
    : value?.[microbatch];
}
