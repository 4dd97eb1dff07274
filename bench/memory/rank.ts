/**
 * One rank of a program whose memory is measured: ten steps, then what they did. Its argument is a {@link MemoryRequest} as JSON, its
 * last line on standard output a {@link MemoryReport}.
 */
import { readFileSync } from 'node:fs';
import { GPT } from '../../src/nn/models/gpt/gpt.js';
import type { ParallelSizes } from '../../src/plan/parallel_sizes.js';
import { nativeBytes } from '../../src/train/memory/resident_memory.js';
import { demoBatch } from '../../src/config/demo.js';
import { lastChanged } from '../arena_bytes.js';
import { optimizerOf, randomBatch, rowsOfBatch } from '../contestant/config.js';
import { demoModel } from '../contestant/models.js';
import { openStep } from '../native_step.js';
import { ownPlace } from '../rank_place.js';

export interface MemoryRequest {
  readonly sizes: ParallelSizes;
  readonly compute: 'bf16' | 'f32';
  readonly threads: number;
  /** The byte that the arena is filled with before anything is written. */
  readonly prefill: number;
}

export interface MemoryReport {
  readonly arenaBytes: number;
  /** One more than the address of the last byte of the arena that is not what the arena was filled with. */
  readonly writtenBytes: number;
  /** Of anonymous resident memory less V8's heap, from before the arena was written to the tenth step. */
  readonly residentGrowthBytes: number;
  /** Calls of malloc and its kin from the addon's code in ten steps after the tenth; null where nothing counts them. */
  readonly allocations: number | null;
  readonly losses: readonly number[];
}

const steps = 10;

const { sizes, compute, threads, prefill } = JSON.parse(process.argv[2]) as MemoryRequest;
const place = ownPlace();
let residentBefore = 0;
const step = await openStep(
  {
    model: new GPT(demoModel),
    optimizer: optimizerOf(100),
    sizes,
    batch: demoBatch,
    compute,
    runSteps: 100,
    seed: 1,
  },
  {
    rank: place.rank,
    device: 'cpu',
    threads,
    prefill,
    meet: async (engine) => {
      await place.meet(engine);
      residentBefore = await residentBytes();
    },
  },
);
const { vocab, context } = demoModel;
const rows = rowsOfBatch(randomBatch(vocab, demoBatch.sequences, context, 1), context);

const losses: number[] = [];
for (let i = 0; i < steps; i++) losses.push((await step.step(i, rows)).loss);
const residentGrowthBytes = (await residentBytes()) - residentBefore;
const writtenBytes = await lastChanged(step.engine.addon, step.arenaBytes, prefill);
const allocationsBefore = allocations();
if (allocationsBefore !== null) for (let i = steps; i < 2 * steps; i++) await step.step(i, rows);
const allocationsAfter = allocations();
const report: MemoryReport = {
  arenaBytes: step.arenaBytes,
  writtenBytes,
  residentGrowthBytes,
  allocations: allocationsAfter === null ? null : allocationsAfter - allocationsBefore!,
  losses,
};
console.log(JSON.stringify(report));
await place.part(step.engine.addon);
await step.close();

/** After V8 has collected its garbage and given the pages back, which it does in the background. */
async function residentBytes(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return nativeBytes() ?? NaN;
}

/** As native/preload/count_mallocs.cpp counts them. */
function allocations(): number | null {
  const counts = process.env.FLOTILLA_MALLOC_COUNTS;
  return counts ? Number(readFileSync(counts).readBigUInt64LE(0)) : null;
}
