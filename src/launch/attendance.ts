/**
 * Who of a job is there. Each process renews a counter in the store (a beat, once a second, from a thread that no work holds up); rank 0
 * looks at the counters of all, the others at that of rank 0. Whose counter rests is named after five seconds: it is stopped, or its machine
 * or the network is. Who has ended without a word is lost, and so is the job: nothing waits for it any longer.
 *
 * A process that leaves says so in the store, for all to read at their next look: with its error, or that a signal has stopped it. Of one
 * that has ended without a word rank 0 says it, which is the one that sees it.
 */
import { z } from 'zod';
import { aborted, jobInterrupted, rankLeft, rankSilent } from './diagnostics.js';
import type { DiagnosticError } from '../ir/diagnostic.js';
import { nameOf, type Presence, type Seen } from './presence.js';

/** The store, as far as it is looked at here. */
export interface AttendanceStore {
  set(key: string, text: string): Promise<void>;
  /** What some process has set; waits for it. */
  get(key: string): Promise<string>;
  add(key: string, amount: number): Promise<number>;
}

export interface AttendanceOptions {
  readonly store: AttendanceStore;
  readonly own: Presence;
  readonly ranks: number;
  /** Whether rank 0 serves the store; else the launcher does. */
  readonly rankServes: boolean;
  /** Milliseconds from some moment on. */
  readonly now: () => number;
  readonly look: (one: Presence) => Seen;
  /** Told of a rank that is not heard of, and that it is again. */
  readonly tell: (code: string, message: string) => void;
  /** Called once, when the job cannot go on. */
  readonly lost: (error: DiagnosticError) => void;
}

/** Between two looks, and two beats. */
export const lookSeconds = 1;

/** Unheard for so long, a rank is named. */
const silentSeconds = 5;

/** Named again after so long. */
const againSeconds = 60;

/** Unheard for so long, a rank of another machine is taken for lost: its process cannot be seen from here. */
const lostSeconds = 120;

/** How a process has left. `stopped`: the signal, or `abort`; `how`: as its loss reads where nothing stopped it. */
const departure = z.strictObject({
  rank: z.number(),
  name: z.string(),
  stopped: z.string().nullable(),
  how: z.string(),
  problem: z.string().nullable(),
});

type Departure = z.infer<typeof departure>;

interface Watched {
  readonly presence: Presence;
  beats: number;
  heardAt: number;
  /** When it was last named; null while it is heard of. */
  namedAt: number | null;
}

export class Attendance {
  readonly #options: AttendanceOptions;
  readonly #watched = new Map<number, Watched>();
  #tickedAt: number;
  /** Since when the store has owed an answer. */
  #askedAt: number | null = null;
  #answeredAt: number;
  #storeNamedAt: number | null = null;
  #ended = false;

  constructor(options: AttendanceOptions) {
    this.#options = options;
    this.#tickedAt = options.now();
    this.#answeredAt = options.now();
  }

  /** Looks at this rank from now on. */
  watch(presence: Presence): void {
    this.#watched.set(presence.rank, { presence, beats: -1, heardAt: this.#options.now(), namedAt: null });
  }

  /** Looks no longer at anybody: this process is done. */
  end(): void {
    this.#ended = true;
  }

  /** Says that this process leaves before its work is done: with an error's message, or stopped by a signal. */
  async leave(how: { readonly problem: string } | { readonly stopped: string }): Promise<void> {
    const { own } = this.#options;
    await this.#tellAll({ rank: own.rank, name: nameOf(own), stopped: null, how: 'it failed', problem: null, ...how });
  }

  /** One look. Called every second; what it asks the store may take longer. */
  async tick(): Promise<void> {
    if (this.#ended) return;
    const { now } = this.#options;
    // This process itself has been stopped, or busy: nothing was looked at meanwhile.
    if (now() - this.#tickedAt > 1000 * 2 * lookSeconds) {
      for (const one of this.#watched.values()) one.heardAt = now();
      if (this.#askedAt !== null) this.#askedAt = now();
    }
    this.#tickedAt = now();
    for (const one of this.#watched.values()) this.#lookAt(one);
    this.#lookAtStore();
    // What is asked already is not asked again.
    if (this.#askedAt !== null || this.#ended) return;
    this.#askedAt = now();
    try {
      await this.#ask();
    } finally {
      this.#askedAt = null;
    }
  }

  /** What can be said of a rank: by its process, where that is seen, and by its counter as the store has last told it. */
  #lookAt(one: Watched): void {
    const { look } = this.#options;
    const seen = look(one.presence);
    const silent = this.#serves(one) ? Math.max(this.#rest(one), this.#storeOwes()) : this.#rest(one);
    if (seen === 'gone' || (seen === 'unseen' && silent >= lostSeconds)) {
      void this.#hasLeft(one, seen === 'gone' ? 'its process has ended' : `it has been silent for ${lostSeconds} s`);
    } else if (silent >= silentSeconds && this.#isDue(one.namedAt)) {
      one.namedAt = this.#options.now();
      this.#name(nameOf(one.presence), silent, seen);
    }
  }

  /** A store that is served by none of the ranks that are looked at. */
  #lookAtStore(): void {
    if (this.#storeOwes() < silentSeconds || !this.#isDue(this.#storeNamedAt)) return;
    if ([...this.#watched.values()].some((one) => this.#serves(one))) return;
    this.#storeNamedAt = this.#options.now();
    this.#name('the store of the job', this.#storeOwes(), 'unseen');
  }

  #name(name: string, seconds: number, seen: Seen): void {
    const { code, message } = rankSilent({ name, seconds: Math.floor(seconds), seen });
    this.#options.tell(code, message);
  }

  #isDue(namedAt: number | null): boolean {
    return namedAt === null || this.#options.now() - namedAt >= 1000 * againSeconds;
  }

  #serves({ presence }: Watched): boolean {
    return this.#options.rankServes && presence.rank === 0;
  }

  /** For how many seconds a rank's counter had rested when the store last told it. */
  #rest({ heardAt }: Watched): number {
    return (this.#answeredAt - heardAt) / 1000;
  }

  /** For how many seconds the store has owed an answer. */
  #storeOwes(): number {
    return this.#askedAt === null ? 0 : (this.#options.now() - this.#askedAt) / 1000;
  }

  async #ask(): Promise<void> {
    const { store, now, tell } = this.#options;
    if ((await store.add('left', 0)) > 0)
      return this.#endWith(departure.parse(JSON.parse(await store.get('left/how'))));
    this.#storeNamedAt = null;
    for (const one of this.#watched.values()) {
      const beats = await store.add(beatKey(one.presence.rank), 0);
      if (beats === one.beats) continue;
      [one.beats, one.heardAt] = [beats, now()];
      if (one.namedAt === null) continue;
      one.namedAt = null;
      tell('launch/rank-heard', `${nameOf(one.presence)} is heard of again`);
    }
    this.#answeredAt = now();
  }

  /** Who has ended may have been done, or have said why it left. */
  async #hasLeft({ presence }: Watched, how: string): Promise<void> {
    const { store } = this.#options;
    const told = within(this.#settled(presence.rank), 1000);
    this.#watched.delete(presence.rank);
    const said = await told;
    if (said === 'done') return;
    if (((await within(store.add('left', 0), 1000)) ?? 0) > 0) {
      const text = await within(store.get('left/how'), 1000);
      if (text !== null) return this.#endWith(departure.parse(JSON.parse(text)));
    }
    const lost = { rank: presence.rank, name: nameOf(presence), stopped: null, how, problem: null };
    if (this.#options.own.rank === 0) await within(this.#tellAll(lost), 1000);
    this.#endWith(lost);
  }

  async #tellAll(departed: Departure): Promise<void> {
    const { store } = this.#options;
    await store.set('left/how', JSON.stringify(departed));
    await store.add('left', 1);
  }

  async #settled(rank: number): Promise<'done' | 'not done'> {
    return (await this.#options.store.add(doneKey(rank), 0)) > 0 ? 'done' : 'not done';
  }

  #endWith({ rank, name, stopped, how, problem }: Departure): void {
    const { ranks } = this.#options;
    if (stopped === abortWord) return this.#lose(aborted({ rank, reason: null }));
    if (stopped !== null)
      return this.#lose(
        jobInterrupted({
          signal: `${stopped} to rank ${rank}`,
          ranks,
          atWork: false,
          saved: false,
          recovery: 'start again when it suits',
        }),
      );
    this.#lose(rankLeft({ name, rank, how, problem }));
  }

  #lose(error: DiagnosticError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.lost(error);
  }
}

/** What a process says that leaves because its script has aborted the call. */
export const abortWord = 'abort';

/** The counter that a rank renews. */
export const beatKey = (rank: number): string => `beat/${rank}`;

/** The counter that a rank raises when its work is done. */
export const doneKey = (rank: number): string => `done/${rank}`;

/** Null where it takes longer, or fails: the store may have gone with its process. */
function within<T>(promise: Promise<T>, milliseconds: number): Promise<T | null> {
  return Promise.race([
    promise.catch(() => null),
    new Promise<null>((resolve) => setTimeout(() => resolve(null), milliseconds).unref()),
  ]);
}
