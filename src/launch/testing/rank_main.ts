/**
 * A rank process for tests: reads what to do from the file named by its first argument, does it, writes its arena to `arena.RANK`
 * beside that file. Started by the launcher or by torchrun.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { rankFromEnvironment } from '../environment.js';
import { joinJob } from '../join.js';
import { runRank } from '../rank_process.js';
import { loadAddon } from '../../engine/native/bridge.js';
import type { LaunchList } from '../../engine/native/loaded_program.js';

/** What a test asks of its ranks. */
export interface RankWork {
  readonly arenaBytes: number;
  /** One for each rank. */
  readonly programs: readonly LaunchList[];
  readonly steps: number;
  /** Steps before allocations are counted: see {@link mallocs}. */
  readonly warmUp?: number;
  /** This rank fails before its last step. */
  readonly failing?: number;
}

const file = process.argv[2];
const work = JSON.parse(readFileSync(file, 'utf8')) as RankWork;
const environment = rankFromEnvironment()!;

await runRank(environment, async () => {
  const { rank, worldSize } = environment;
  const engine = loadAddon().open({ device: 'cpu', threads: 1, arenaBytes: work.arenaBytes });
  await joinJob(engine, environment);
  const program = await engine.load(work.programs[rank]);
  for (let step = 0; step < (work.warmUp ?? 0); step++) await program.run();
  const before = mallocs();
  for (let step = 0; step < work.steps; step++) {
    if (rank === work.failing && step === work.steps - 1) throw new Error(`rank ${rank} gives up`);
    await program.run();
  }
  const after = mallocs();
  // Nobody closes the store under another's feet.
  await engine.storeAdd('done', 1);
  while (rank === 0 && (await engine.storeAdd('done', 0)) < worldSize)
    await new Promise((resolve) => setTimeout(resolve, 5));
  const folder = path.dirname(file);
  writeFileSync(path.join(folder, `arena.${rank}`), new Uint8Array(engine.memory(0, work.arenaBytes)));
  if (after !== null && before !== null) writeFileSync(path.join(folder, `mallocs.${rank}`), String(after - before));
  engine.close();
});

/** Allocations of the addon so far, where native/preload/count_mallocs.cpp counts them. */
function mallocs(): number | null {
  const counts = process.env.FLOTILLA_MALLOC_COUNTS;
  return counts ? Number(readFileSync(counts).readBigUInt64LE(0)) : null;
}
