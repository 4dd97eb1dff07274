/** What the ranks of a program wrote in a step, by the value of the placed graphs that it is. */
import type { WrittenBlock } from '../../engine/written.js';
import { placeRanks } from '../../engine/reference/virtual_rank.js';
import type { Mesh } from '../../ir/mesh.js';
import type { Layout } from '../../ir/layout.js';

import type { TensorType } from '../../ir/type.js';
import type { PlacedGraphs } from '../../partition/place_graphs.js';
import type { PlacedId } from '../../partition/placed.js';
import type { Program, ProgramValue, RankClass } from '../../program/program.js';
import type { ValueOfStep } from './serial_step.js';
import { sumKey, summedValues } from './summed_values.js';

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

type Found = WrittenValue & { readonly of: ValueOfStep; readonly blocks: Map<number, WrittenBlock> };

const keyOf = ({ graph, id, microbatch }: ValueOfStep): string => `${graph} ${id} ${microbatch ?? ''}`;

export class WrittenValues {
  readonly #program: Program;
  readonly #summed: ReadonlyMap<string, PlacedId>;
  readonly #updated: ReadonlyMap<string, PlacedId>;
  readonly #classes = new Map<number, RankClass>();
  readonly #found = new Map<string, Found>();

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
    const of = this.#valueOf(rankClass, value, written.launch.step.microbatch);
    if (of === null) return;
    const key = keyOf(of);
    const { mesh, firstRank } = this.#program.groups[rankClass.group];
    const { name, global, layout } = value;
    const found = this.#found.get(key) ?? { of, name, mesh, firstRank, global, layout, blocks: new Map() };
    this.#found.set(key, found);
    found.blocks.set(written.rank, written);
  }

  get(value: ValueOfStep): WrittenValue | null {
    return this.#found.get(keyOf(value)) ?? null;
  }

  entries(): readonly (readonly [ValueOfStep, WrittenValue])[] {
    return [...this.#found.values()].map((one) => [one.of, one]);
  }

  /** Null for what is of no graph, and for what the graphs do not say. */
  #valueOf({ group }: RankClass, { is, lifetime }: ProgramValue, microbatch: number): ValueOfStep | null {
    switch (is.kind) {
      case 'made': {
        const { graph, value: id } = is;
        return { graph, id, microbatch: graph === 'update' ? null : lifetime === 'step' ? 0 : microbatch };
      }
      case 'sum':
        return ofAll('step', this.#summed.get(sumKey(group, is.role)));
      case 'updated':
        return ofAll('update', this.#updated.get(sumKey(group, is.role)));
      default:
        return null;
    }
  }
}

const ofAll = (graph: 'step' | 'update', id: PlacedId | undefined): ValueOfStep | null =>
  id === undefined ? null : { graph, id, microbatch: null };
