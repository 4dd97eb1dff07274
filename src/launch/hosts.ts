/** Where a process's ranks run: all of them here on the reference engine, or one on the native engine. */
import type { TrainConfig } from '../config/schema.js';
import { NativeEngine } from '../engine/native/engine.js';
import { ReferenceEngine } from '../engine/reference/index.js';
import { deviceTypeOf } from '../kernels/device.js';
import { ops } from '../ops/index.js';
import { alone } from '../run/peers.js';
import { deviceOf } from '../train/device.js';
import type { EngineHost } from '../train/engine_host.js';
import { nativeBytes } from '../train/memory/resident_memory.js';
import { threadsPerRank } from '../train/threads.js';
import type { RankEnvironment } from './environment.js';
import { joinJob } from './join.js';
import { nativeTracer } from './native_tracer.js';
import type { Meeting } from './meeting.js';

/** Every rank of the plan as a virtual one. */
export function referenceHost(): EngineHost {
  return {
    kind: 'reference',
    device: 'cpu',
    rank: null,
    open: async () => ({
      engine: new ReferenceEngine({ registry: ops }),
      peers: alone(),
      // Values lie in V8's own arrays, in no arena.
      memoryBytes: () => null,
    }),
  };
}

/** One rank on libtorch. `meeting`: with the job's other ranks; null where there are none. */
export function nativeHost(config: TrainConfig, environment: RankEnvironment, meeting: Meeting | null): EngineHost {
  const { rank, localRank, localWorldSize, generation } = environment;
  const device = deviceOf(config, localRank);
  return {
    kind: 'native',
    device: deviceTypeOf(device),
    rank,
    trace: nativeTracer(rank),
    async open(arenaBytes) {
      const threads = config.threads ?? threadsPerRank(localWorldSize);
      const engine = new NativeEngine({ registry: ops, rank, device, threads, arenaBytes });
      const memoryBytes =
        device === 'cpu' ? nativeBytes : () => engine.addon.deviceMemory()?.peakAllocatedBytes ?? null;
      if (!meeting) return { engine, peers: alone(), memoryBytes };
      // A rank that leaves must not leave the others waiting within a step.
      meeting.whenLost((error) => engine.addon.abort(error.message));
      await meeting.everyone('compiled');
      await joinJob(engine.addon, {
        ...environment,
        generation: `${generation}/ranks`,
        hostStore: false,
        storeFd: null,
      });
      return { engine, peers: meeting.peers, memoryBytes };
    },
  };
}
