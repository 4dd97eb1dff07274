/** Coming to a job's store, and naming whoever has not come. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AddonEngine } from '../engine/native/bridge.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { ranksAbsent } from './diagnostics.js';
import type { RankEnvironment } from './environment.js';

/** What tells a user of a rank that is missed. */
export type Tell = (code: string, message: string) => void;

/** A rank that has not come is named after this, and again and again after that. */
const absentSeconds = 5;
const absentAgainSeconds = 30;

/** How long the others wait for a rank that never comes. */
const comeSeconds = 600;

/** One attempt to reach a store that another serves. */
const attemptSeconds = 5;

interface StoreVisit {
  /** Whether this process serves the store, where it is the one that is to. */
  readonly serves: boolean;
  /** Tells this connection's keys from those of others. */
  readonly name: string;
}

/** Connects to the job's store, once. Throws `engine/rendezvous-failed` where nobody serves it in time. */
export async function enterStore(
  engine: AddonEngine,
  { masterAddress, masterPort, rank, worldSize, hostStore, storeFd, generation }: RankEnvironment,
  { serves, name }: StoreVisit,
): Promise<void> {
  await engine.rendezvous({
    address: masterAddress,
    port: masterPort,
    rank,
    worldSize,
    hostStore: hostStore && serves,
    listenFd: serves ? storeFd : null,
    generation: `${generation}/${name}`,
    storeOnly: true,
    // Who serves waits for nobody.
    timeoutSeconds: serves ? comeSeconds : attemptSeconds,
    operationTimeoutSeconds: 0,
  });
}

/** Connects to the store: where another serves it, in short attempts, since that one may come later. */
export async function connect(engine: AddonEngine, environment: RankEnvironment, isServed: boolean): Promise<void> {
  const deadline = performance.now() + 1000 * comeSeconds;
  const serves = !isServed && environment.hostStore;
  for (;;) {
    try {
      return await enterStore(engine, environment, { serves, name: 'meeting' });
    } catch (error) {
      const late = performance.now() > deadline;
      if (serves || late || !(error instanceof DiagnosticError) || error.code !== 'engine/rendezvous-failed')
        throw error;
    }
  }
}

/** Waits, and names who has not come. Throws `launch/ranks-absent` when the time is over. */
export async function named(
  tell: Tell,
  { masterAddress, masterPort }: RankEnvironment,
  coming: Promise<void>,
  names: () => readonly string[] | Promise<readonly string[]>,
): Promise<void> {
  const at = `${masterAddress}:${masterPort}`;
  let over = false;
  const settled = coming.finally(() => (over = true));
  settled.catch(() => {});
  for (let seconds = absentSeconds; ; seconds += absentAgainSeconds) {
    const wait = seconds === absentSeconds ? absentSeconds : absentAgainSeconds;
    const timer = new AbortController();
    await Promise.race([settled, sleep(1000 * wait, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
    if (over) return settled;
    const missing = await names();
    if (missing.length === 0) continue;
    const error = ranksAbsent({ names: `${missing.join(', ')} ${missing.length === 1 ? 'has' : 'have'}`, seconds, at });
    if (seconds > comeSeconds) throw error;
    tell(error.code, error.message);
  }
}
