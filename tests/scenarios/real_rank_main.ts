/** A rank process: runs the scenario that its first argument names, and writes its results as JSON to `rank.R.json` in the second. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { NativeEngine } from '../../src/engine/native/engine.js';
import { deviceOfRank } from '../../src/engine/native/testing/device.js';
import { ops } from '../../src/ops/index.js';
import { rankFromEnvironment } from '../../src/launch/environment.js';
import { joinJob } from '../../src/launch/join.js';
import { runRank } from '../../src/launch/rank_process.js';
import { classOfRank, nativeScenario, runRankStep } from './native_step.js';
import { realRanks } from './real_ranks.js';

const [name, folder] = process.argv.slice(2);
const environment = rankFromEnvironment()!;

await runRank(environment, async () => {
  const { rank, localRank, worldSize } = environment;
  const scenario = nativeScenario(realRanks[name]());
  const { arenaBytes } = classOfRank(scenario, rank);
  const engine = new NativeEngine({ registry: ops, rank, device: deviceOfRank(localRank), threads: 1, arenaBytes });
  await joinJob(engine.addon, environment);
  const results = await runRankStep(scenario, engine);
  const written = Object.fromEntries([...results].map(([value, block]) => [value, [...block]]));
  writeFileSync(path.join(folder, `rank.${rank}.json`), JSON.stringify(written));
  // Rank 0, which serves the store, leaves last.
  await engine.addon.storeAdd('done', 1);
  while (rank === 0 && (await engine.addon.storeAdd('done', 0)) < worldSize)
    await new Promise((resolve) => setTimeout(resolve, 5));
  await engine.close();
});
