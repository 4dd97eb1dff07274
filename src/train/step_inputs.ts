/** What the host writes before each step: every rank's block of the batch, and the scalars of the update and of randomness. */
import { encode } from '../engine/host_array.js';
import type { LoadedProgram } from '../engine/engine.js';
import { tileOf } from '../ir/layout.js';
import type { Batch } from '../data/batches.js';
import { sameRole, type DataInput, type Role } from '../ir/role.js';
import type { TensorType } from '../ir/type.js';
import { countScalars, countStep, scalarOf, type StepCounts } from '../nn/denominators.js';
import { placeOfRank } from '../engine/native/load_class.js';
import { baseOf } from '../program/place.js';
import { logicalMicrobatchesOf, type Plan } from '../plan/plan.js';
import type { ProgramValue, RankClass } from '../program/program.js';
import type { Tile } from '../reshard/region.js';

/** Sequences by place in the global batch: `count` rows of `sequence` elements, the first at place `first`. */
export type Rows = (first: number, count: number) => RowData;

/** What programs of packed documents read; and where those of a batch lie, as others do. */
export type RowData = Pick<Batch, 'tokens' | 'labels'> & Partial<Pick<Batch, 'documentStarts' | 'documentEnds'>>;

/** Data inputs of a step that are made of a batch: of what of it, and what stands where the plan fills it up: no token, in a document alone. */
const batchInputs = {
  tokens: { field: 'tokens', otherwise: 0 },
  labels: { field: 'labels', otherwise: -1 },
  document_starts: { field: 'documentStarts', otherwise: 0 },
  document_ends: { field: 'documentEnds', otherwise: 2 ** 31 - 1 },
} as const satisfies Partial<Record<DataInput, { readonly field: keyof RowData; readonly otherwise: number }>>;

export type BatchInput = keyof typeof batchInputs;

/** What terms of a loss are averaged over in a step of these rows. */
export function stepCounts(plan: Plan, rows: Rows): StepCounts {
  const { sequences } = plan.batch;
  const numbers = Array.from({ length: logicalMicrobatchesOf(plan) }, (_, i) => i);
  return countStep(numbers.map((i) => rows(i * sequences, sequences).labels));
}

/**
 * Writes tokens, labels and places of documents of one step to the ranks of this process, and, where their programs read it, what there is
 * of all that terms of a loss are averaged over.
 */
export async function writeBatch(
  loaded: LoadedProgram,
  plan: Plan,
  ranks: readonly number[],
  rows: Rows,
  counts: () => StepCounts = () => stepCounts(plan, rows),
): Promise<void> {
  if (ranks.some((rank) => readsCounts(placeOfRank(loaded.program, rank).rankClass)))
    await writeScalars(loaded, ranks, countScalars(counts()));
  for (const rank of ranks) {
    const { rankClass, mesh, at } = placeOfRank(loaded.program, rank);
    for (const name of Object.keys(batchInputs) as BatchInput[]) {
      const value = inputOf(rankClass, { kind: 'data', name });
      if (!value) continue;
      for (let microbatch = 0; microbatch < plan.schedule.microbatches; microbatch++) {
        await loaded.write(
          { rank, name: value.name, microbatch },
          batchBlock(value.global, tileOf(mesh, value.global, value.layout, at), { plan, microbatch, rows, name }),
        );
      }
    }
  }
}

/** Writes scalars to the ranks of this process, each in its own element type, where the rank's class reads it. */
export async function writeScalars(
  loaded: LoadedProgram,
  ranks: readonly number[],
  scalars: Readonly<Record<string, number>>,
): Promise<void> {
  for (const rank of ranks) {
    const { rankClass } = placeOfRank(loaded.program, rank);
    for (const [name, number] of Object.entries(scalars)) {
      const value = inputOf(rankClass, { kind: 'scalar', name });
      if (value) await loaded.write({ rank, name: value.name }, encode(value.type.dtype, [number]));
    }
  }
}

/** The number of each scheduled microbatch: with the step, what dropout is a function of. */
export async function writeMicrobatches(loaded: LoadedProgram, plan: Plan, ranks: readonly number[]): Promise<void> {
  for (const rank of ranks) {
    const value = inputOf(placeOfRank(loaded.program, rank).rankClass, { kind: 'data', name: 'microbatch' });
    if (!value) continue;
    for (let microbatch = 0; microbatch < plan.schedule.microbatches; microbatch++) {
      await loaded.write({ rank, name: value.name, microbatch }, encode(value.type.dtype, [microbatch]));
    }
  }
}

/** Which part of which batch. */
export interface BatchRequest {
  readonly plan: Plan;
  /** Scheduled. */
  readonly microbatch: number;
  readonly rows: Rows;
  readonly name: BatchInput;
}

/**
 * A tile of [microbatch batch sequence], for one scheduled microbatch. What the plan fills it up with has no tokens: labels of −1, which no
 * loss counts, and the first token of the vocabulary for the model to read.
 */
export function batchBlock(global: TensorType, tile: Tile, { plan, microbatch, rows, name }: BatchRequest): Int32Array {
  const [[firstLogical, endLogical], [first, end], [from, to]] = tile;
  const { field, otherwise } = batchInputs[name];
  const sequence = global.dims[2][0].size;
  const block = new Int32Array((endLogical - firstLogical) * (end - first) * (to - from)).fill(otherwise);
  const { batch } = plan;
  const before = microbatch * batch.logical_microbatches;
  let offset = 0;
  for (let logical = firstLogical; logical < Math.min(endLogical, logicalMicrobatchesOf(plan) - before); logical++) {
    const place = (before + logical) * batch.sequences + first;
    const given = rows(place, end - first)[field];
    if (!given) throw new Error(`the program reads ${name}, which the rows do not say`);
    for (let row = 0; row < end - first; row++) {
      block.set(given.subarray(row * sequence + from, row * sequence + to), offset);
      offset += to - from;
    }
  }
  return block;
}

const readsCounts = (rankClass: RankClass): boolean =>
  Object.values(scalarOf).some((name) => name !== null && inputOf(rankClass, { kind: 'scalar', name }) !== null);

/** What the rank's class reads in a role; null: it reads none. */
function inputOf(rankClass: RankClass, role: Role): ProgramValue | null {
  const index = rankClass.values.findIndex(({ is }) => is.kind === 'stored' && sameRole(is.role, role));
  return index >= 0 && isUsed(rankClass, index) ? rankClass.values[index] : null;
}

const isUsed = ({ values, schedule }: RankClass, index: number): boolean =>
  schedule.some(({ offsets }) => offsets[baseOf(values, index)] !== undefined);
