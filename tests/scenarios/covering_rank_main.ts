/** A rank process: runs the steps that lie in a folder, one after the other, and leaves there what its rank has of their results. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import v8 from 'node:v8';
import { NativeEngine } from '../../src/engine/native/engine.js';
import { deviceOfRank } from '../../src/engine/native/testing/device.js';
import { rankFromEnvironment } from '../../src/launch/environment.js';
import { joinJob } from '../../src/launch/join.js';
import { runRank } from '../../src/launch/rank_process.js';
import { ops } from '../../src/ops/index.js';
import { classOfRank, runRankStep, type NativeScenario } from './native_step.js';

const [folder] = process.argv.slice(2);
const environment = rankFromEnvironment()!;

await runRank(environment, async () => {
  const { rank, localRank, worldSize } = environment;
  const engines: NativeEngine[] = [];
  for (let i = 0; existsSync(path.join(folder, `case.${i}`)); i++) {
    const scenario = v8.deserialize(readFileSync(path.join(folder, `case.${i}`))) as NativeScenario;
    const { arenaBytes } = classOfRank(scenario, rank);
    const engine = new NativeEngine({ registry: ops, rank, device: deviceOfRank(localRank), threads: 1, arenaBytes });
    // The store of the first serves all, each under keys of its own.
    const first = engines.length === 0;
    const { hostStore, storeFd, generation } = environment;
    await joinJob(engine.addon, {
      ...environment,
      hostStore: hostStore && first,
      storeFd: first ? storeFd : null,
      generation: `${generation}/${i}`,
    });
    engines.push(engine);
    writeFileSync(path.join(folder, `result.${i}.${rank}`), v8.serialize(await runRankStep(scenario, engine)));
  }
  // Rank 0, which serves the store, leaves last.
  const [{ addon }] = engines;
  await addon.storeAdd('done', 1);
  while (rank === 0 && (await addon.storeAdd('done', 0)) < worldSize)
    await new Promise((resolve) => setTimeout(resolve, 5));
  for (const engine of engines.reverse()) await engine.close();
});
