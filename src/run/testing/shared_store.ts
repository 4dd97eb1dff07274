import type { Peers } from '../peers.js';

/** A store that several processes of a test share; every access takes a moment that the test chooses. */
export function sharedStore(processes: number, moment: () => Promise<void>): readonly Peers[] {
  const texts = new Map<string, string>();
  const counters = new Map<string, number>();
  return Array.from({ length: processes }, (_, rank) => ({
    rank,
    processes,
    async set(key, text) {
      await moment();
      texts.set(key, text);
    },
    async get(key) {
      while (!texts.has(key)) await moment();
      return texts.get(key)!;
    },
    async add(key, amount) {
      await moment();
      counters.set(key, (counters.get(key) ?? 0) + amount);
      return counters.get(key)!;
    },
  }));
}
