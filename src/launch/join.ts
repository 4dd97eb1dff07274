import type { AddonEngine } from '../engine/native/bridge.js';
import type { RankEnvironment } from './environment.js';

export interface JoinOptions {
  /** How long to wait for the other ranks to start. Default 120. */
  readonly timeoutSeconds?: number;
  /** How long one collective or receive may take. Default 1800, torch's own. */
  readonly operationTimeoutSeconds?: number;
}

/** Meets the other ranks of the job that this process is a rank of. */
export async function joinJob(
  engine: AddonEngine,
  environment: RankEnvironment,
  options: JoinOptions = {},
): Promise<void> {
  await engine.rendezvous({
    address: environment.masterAddress,
    port: environment.masterPort,
    rank: environment.rank,
    worldSize: environment.worldSize,
    hostStore: environment.hostStore,
    listenFd: environment.storeFd,
    generation: environment.generation,
    timeoutSeconds: options.timeoutSeconds ?? 120,
    operationTimeoutSeconds: options.operationTimeoutSeconds ?? 1800,
  });
}
