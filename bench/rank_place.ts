/** The place of a bench's process among the ranks of its job: how it meets the others, and how they part. */
import type { AddonEngine } from '../src/engine/native/bridge.js';
import type { NativeEngine } from '../src/engine/native/engine.js';
import { rankFromEnvironment } from '../src/launch/environment.js';
import { joinJob } from '../src/launch/join.js';

export interface OwnPlace {
  readonly rank: number;
  readonly meet: (engine: Pick<NativeEngine, 'addon'>) => Promise<void>;
  /** To be called before the engine is closed: nobody closes the store under another's feet. */
  readonly part: (addon: AddonEngine) => Promise<void>;
}

export function ownPlace(): OwnPlace {
  const environment = rankFromEnvironment();
  if (environment === null || environment.worldSize === 1)
    return { rank: 0, meet: () => Promise.resolve(), part: () => Promise.resolve() };
  const { rank, worldSize } = environment;
  return {
    rank,
    meet: ({ addon }) => joinJob(addon, environment),
    async part(addon) {
      await addon.storeAdd('done', 1);
      while (rank === 0 && (await addon.storeAdd('done', 0)) < worldSize)
        await new Promise((resolve) => setTimeout(resolve, 5));
    },
  };
}
