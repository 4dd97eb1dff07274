/** What the ranks of a program wrote in a step, by the value of the placed graphs that it is. */
import type { WrittenBlock } from '../../engine/written.js';
import { placeRanks } from '../../engine/reference/virtual_rank.js';
import type { Mesh } from '../../ir/mesh.js';
import type { Layout } from '../../ir/layout.js';

import type { TensorType } from '../../ir/type.js';
import type { PlacedGraphs } from '../../partition/place_graphs.js';
import type { PlacedId } from '../../partition/placed.js';
import type { Program, ProgramValue, RankClass } from '../../program/program.js';
import { sumKey, summedValues } from './serial_step.js';

/** A value as ranks of a group have it. */
export interface WrittenValue {
  readonly name: string;
  readonly mesh: Mesh;
  readonly firstRank: number;
  readonly global: TensorType;
  readonly layout: Layout;
  /** By global rank: as the last instruction that wrote it left it. */
  readonly blocks: ReadonlyMap<number, WrittenBlock>;
}

/** Which value of the graphs: of one microbatch, or one for all. */
export const valueKey = (graph: 'step' | 'update', id: PlacedId, microbatch: number | null): string =>
  `${graph} ${id} ${microbatch ?? ''}`;

export class WrittenValues {
  readonly #program: Program;
  readonly #summed: ReadonlyMap<string, PlacedId>;
  readonly #updated: ReadonlyMap<string, PlacedId>;
  readonly #classes = new Map<number, RankClass>();
  readonly #found = new Map<string, WrittenValue & { readonly blocks: Map<number, WrittenBlock> }>();

  constructor(program: Program, { step, update }: PlacedGraphs) {
    this.#program = program;
    this.#summed = summedValues(step);
    this.#updated = new Map(
      (update?.outputs ?? []).map(({ role, value }) => [sumKey(update!.values[value].group, role), value]),
    );
    for (const { rank, classIndex } of placeRanks(program)) this.#classes.set(rank, program.classes[classIndex]);
  }

  add(written: WrittenBlock): void {
    const rankClass = this.#classes.get(written.rank)!;
    const value = rankClass.values[written.value];
    const key = this.#keyOf(rankClass, value, written.launch.step.microbatch);
    if (key === null) return;
    const { mesh, firstRank } = this.#program.groups[rankClass.group];
    const { name, global, layout } = value;
    const found = this.#found.get(key) ?? { name, mesh, firstRank, global, layout, blocks: new Map() };
    this.#found.set(key, found);
    found.blocks.set(written.rank, written);
  }

  get(key: string): WrittenValue | null {
    return this.#found.get(key) ?? null;
  }

  /** Null for what is of no graph, and for what the graphs do not say. */
  #keyOf({ group }: RankClass, { is, lifetime }: ProgramValue, microbatch: number): string | null {
    switch (is.kind) {
      case 'made':
        return valueKey(is.graph, is.value, is.graph === 'update' ? null : lifetime === 'step' ? 0 : microbatch);
      case 'sum':
        return keyed(this.#summed.get(sumKey(group, is.role)), 'step');
      case 'updated':
        return keyed(this.#updated.get(sumKey(group, is.role)), 'update');
      default:
        return null;
    }
  }
}

const keyed = (id: PlacedId | undefined, graph: 'step' | 'update'): string | null =>
  id === undefined ? null : valueKey(graph, id, null);
