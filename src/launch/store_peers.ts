/** A job's processes, as they meet in its store. */
import type { Engine } from '../engine/native/bridge.js';
import type { Peers } from '../run/peers.js';

/** The processes that met in a store. Rank 0 may take minutes over a checkpoint: waiting is long. */
export function storePeers(engine: Engine, rank: number, processes: number): Peers {
  return {
    rank,
    processes,
    set: (key, text) => engine.storeSet(key, text),
    get: async (key, timeoutSeconds = 600) => new TextDecoder().decode(await engine.storeGet(key, timeoutSeconds)),
    add: (key, amount) => engine.storeAdd(key, amount),
  };
}
