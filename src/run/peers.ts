/** How the processes of a job agree on what no program computes: its length, when to stop, whether a file is written. */

export interface Peers {
  /** The lowest global rank of this process; 0 leads. */
  readonly rank: number;
  /** Processes of the job. */
  readonly processes: number;
  set(key: string, text: string): Promise<void>;
  /** Waits until some process has set the key, for as long as the job can go on. */
  get(key: string): Promise<string>;
  /** Adds to a counter (0 at first) and gives the sum. */
  add(key: string, amount: number): Promise<number>;
}

/** A job of one process. */
export function alone(): Peers {
  const texts = new Map<string, string>();
  const counters = new Map<string, number>();
  return {
    rank: 0,
    processes: 1,
    set: async (key, text) => void texts.set(key, text),
    get: async (key) => texts.get(key) ?? '',
    add: async (key, amount) => {
      const sum = (counters.get(key) ?? 0) + amount;
      counters.set(key, sum);
      return sum;
    },
  };
}
