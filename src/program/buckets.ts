/**
 * Buckets: sums that are reduced over the same axes lie one behind the other, in the order in which the backward completes them, so that
 * an engine may reduce a run of them in one call (the gradient buckets of PyTorch's DistributedDataParallel, Li et al. 2020, §3.2.3).
 *
 * A bucket is a buffer whose parts are views. The program still reduces each part by name; the choice depends on global sizes only,
 * so every rank of a group has the same buckets.
 */
import { bytesOf } from '../ir/type.js';
import type { PlacedGraph, PlacedId, PlacedMove } from '../partition/placed.js';

/** Bytes of a full bucket: PyTorch's default. */
export const bucketBytes = 8_000_000;

/** One bucket: outputs of the step, in order of completion. */
export type Bucket = readonly PlacedId[];

/** The outputs of the step on a stage that the update reduces in place, in buckets of two or more. */
export function bucketsOf(
  step: PlacedGraph,
  update: PlacedGraph,
  stage: number,
  limit = bucketBytes,
): readonly Bucket[] {
  const madeAt = new Map(step.steps.flatMap((s, i) => s.outputs.map((output) => [output, i] as const)));
  const open = new Map<string, { members: PlacedId[]; bytes: number }>();
  const closed: Bucket[] = [];
  const outputs = step.outputs
    .filter(({ value }) => step.values[value].stage === stage && madeAt.has(value))
    .sort((a, b) => madeAt.get(a.value)! - madeAt.get(b.value)!);
  for (const { name, value } of outputs) {
    const move = soleReduction(update, name, stage);
    if (!move) continue;
    const { type } = step.values[value];
    const key = `${type.dtype} ${[...move.move.axes].sort().join('*')}`;
    const bucket = open.get(key) ?? { members: [], bytes: 0 };
    open.set(key, bucket);
    bucket.members.push(value);
    bucket.bytes += bytesOf(type);
    if (bucket.bytes < limit) continue;
    closed.push(bucket.members);
    open.delete(key);
  }
  return [...closed, ...[...open.values()].map(({ members }) => members)].filter((members) => members.length > 1);
}

/** The all-reduce that alone reads the update's input of this name. */
function soleReduction(update: PlacedGraph, name: string, stage: number): PlacedMove | null {
  const input = update.inputs.find(
    (i) => i.name === name && i.kind === 'value' && update.values[i.value].stage === stage,
  );
  if (!input || update.outputs.some(({ value }) => value === input.value)) return null;
  const readers = update.steps.filter((step) => step.inputs.includes(input.value));
  const [reader] = readers;
  return readers.length === 1 && reader.kind === 'move' && reader.move.kind === 'all_reduce' ? reader : null;
}
