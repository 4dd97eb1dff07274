/** Where a worker's ranks run: all of them here on the reference engine, or one on the native engine. */
import { NativeEngine, type NativeProgram } from '../engine/native/engine.js';
import type { Launch } from '../engine/native/loaded_program.js';
import type { LoadedProgram } from '../engine/engine.js';
import { ReferenceEngine } from '../engine/reference/index.js';
import { deviceTypeOf } from '../kernels/device.js';
import { ops } from '../ops/index.js';
import { deviceOf } from './device.js';
import type { RankEnvironment } from './launch/environment.js';
import { threadsPerRank } from './launch/environment.js';
import { joinJob } from './launch/join.js';
import type { TrainConfig } from './options.js';
import { alone, storePeers } from './peers.js';
import type { TracedLaunch } from './traced_launch.js';
import type { EngineHost, StepTracer } from './worker.js';

/** Every rank of the plan as a virtual one. */
export function referenceHost(): EngineHost {
  return {
    kind: 'reference',
    device: 'cpu',
    open: async () => ({ engine: new ReferenceEngine({ registry: ops }), peers: alone() }),
  };
}

/** One rank on libtorch; the job's others are met in the store. */
export function nativeHost(config: TrainConfig, environment: RankEnvironment): EngineHost {
  const { rank, localRank, localWorldSize, worldSize } = environment;
  const device = deviceOf(config, localRank);
  return {
    kind: 'native',
    device: deviceTypeOf(device),
    trace: nativeTracer(rank),
    async open(arenaBytes) {
      const threads = config.threads ?? threadsPerRank(localWorldSize);
      const engine = new NativeEngine({ registry: ops, rank, device, threads, arenaBytes });
      if (worldSize === 1) return { engine, peers: alone() };
      await joinJob(engine.addon, environment);
      return { engine, peers: storePeers(engine.addon, rank, worldSize) };
    },
  };
}

function nativeTracer(rank: number): StepTracer {
  const launches: TracedLaunch[] = [];
  let before = 0;
  return {
    async run(program: LoadedProgram) {
      const native = program as NativeProgram;
      const report = await native.run({ trace: true });
      native.launches.launches.forEach((launch, i) => {
        const [start, end, arrived] = report.trace!.subarray(3 * i, 3 * i + 3);
        launches.push(
          ...spansOf(launch, { rank, start: before + start, end: before + end, arrived: before + arrived }),
        );
      });
      before += report.seconds;
      return report;
    },
    launches,
  };
}

/** A launch as it lay on its lane. Communication has a lane of its own, from its start to when its data had arrived. */
function spansOf(
  launch: Launch,
  { rank, start, end, arrived }: { rank: number; start: number; end: number; arrived: number },
): readonly TracedLaunch[] {
  const span = { rank, startSeconds: start, kind: launch.kind };
  switch (launch.kind) {
    case 'signal':
      return [];
    case 'kernel':
      return [{ ...span, lane: 'compute', name: launch.kernel, seconds: end - start, details: { at: launch.at } }];
    case 'collective': {
      const seconds = (Number.isNaN(arrived) ? end : arrived) - start;
      return [{ ...span, lane: `group ${launch.group}`, name: launch.collective, seconds, details: { at: launch.at } }];
    }
    case 'send':
    case 'recv': {
      const seconds = (Number.isNaN(arrived) ? end : arrived) - start;
      return [
        { ...span, lane: launch.kind, name: `${launch.kind} ${launch.peer}`, seconds, details: { at: launch.at } },
      ];
    }
    default:
      return [{ ...span, lane: 'compute', name: launch.kind, seconds: end - start, details: { at: launch.at } }];
  }
}
