/**
 * Where the processes of a job meet: its store, to which each has a connection from before it compiles until it leaves. What they tell each
 * other goes through it, and who is there is seen in it; no wait for another outlasts that other.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { loadAddon, type AddonEngine } from '../engine/native/bridge.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import type { Peers } from '../run/peers.js';
import { connect, named, type Tell } from './arrival.js';
import { abortWord, Attendance, beatKey, doneKey, lookSeconds } from './attendance.js';
import { consequences } from './consequences.js';
import { aborted } from './diagnostics.js';
import type { RankEnvironment } from './environment.js';
import type { StopNote } from './stop_note.js';
import { look, ownPresence, parsePresence, presenceText, type Presence } from './presence.js';

/** One wait in the store; between two, one looks around. */
const sliceSeconds = 1;

/** Looks at a store that cannot be reached before it is given up. */
const failuresOfStore = 3;

export class Meeting {
  readonly #engine: AddonEngine;
  readonly #environment: RankEnvironment;
  readonly #attendance: Attendance;
  readonly #looking: NodeJS.Timeout;
  readonly #own: Presence;
  readonly #rankServes: boolean;
  readonly #tell: Tell;
  #lostTo: ((error: DiagnosticError) => void)[] = [];
  #lost: DiagnosticError | null = null;
  #failures = 0;

  private constructor(engine: AddonEngine, environment: RankEnvironment, tell: Tell) {
    const { rank, worldSize, hostStore, storeFd } = environment;
    this.#engine = engine;
    this.#environment = environment;
    this.#tell = tell;
    this.#own = ownPresence(rank);
    // torchrun's agent does, unless it was told not to.
    this.#rankServes = hostStore || storeFd !== null || environment.launcher !== 'torchrun';
    this.#attendance = new Attendance({
      store: {
        set: (key, text) => engine.storeSet(key, text),
        get: (key) => read(engine, key, sliceSeconds),
        add: (key, amount) => engine.storeAdd(key, amount),
      },
      own: this.#own,
      ranks: worldSize,
      rankServes: this.#rankServes,
      now: () => performance.now(),
      look: (one) => look(one, this.#own),
      tell,
      lost: (error) => this.#lose(error),
    });
    this.#looking = setInterval(() => void this.#look(), 1000 * lookSeconds);
    this.#looking.unref();
  }

  /** Comes to the meeting, and waits until all have come. `tell`: see {@link Tell}. Throws `engine/…`, `launch/ranks-absent`. */
  static async join(environment: RankEnvironment, tell: Tell, isServed: boolean): Promise<Meeting> {
    const engine = loadAddon().open({ device: 'cpu', threads: 1, arenaBytes: 4096 });
    let meeting: Meeting | null = null;
    try {
      await named(tell, environment, connect(engine, environment, isServed), () => ['rank 0, which serves the store,']);
      engine.storeBeat(beatKey(environment.rank), lookSeconds);
      meeting = new Meeting(engine, environment, tell);
      await meeting.#attend();
      return meeting;
    } catch (error) {
      try {
        (meeting ?? engine).close();
      } catch {
        // It is still on its way to the store, which ends with this process.
      }
      throw error;
    }
  }

  /** How the processes agree on what no program computes. */
  get peers(): Peers {
    const { rank, worldSize } = this.#environment;
    return {
      rank,
      processes: worldSize,
      set: (key, text) => this.#unlessLost(this.#engine.storeSet(`peers/${key}`, text)),
      get: (key) => this.get(`peers/${key}`),
      add: (key, amount) => this.#unlessLost(this.#engine.storeAdd(`peers/${key}`, amount)),
    };
  }

  /** What some process has set, or sets while the job can go on. Throws `launch/rank-left`, `launch/interrupted`. */
  async get(key: string): Promise<string> {
    for (;;) {
      const text = await this.#unlessLost(readOrNull(this.#engine, key));
      if (text !== null) return text;
    }
  }

  set(key: string, text: string): Promise<void> {
    return this.#unlessLost(this.#engine.storeSet(key, text));
  }

  /** Waits until every process has come as far as this one. */
  async everyone(place: string): Promise<void> {
    const { rank, worldSize } = this.#environment;
    await this.set(`${place}/${rank}`, '');
    if (rank !== 0) return void (await this.get(`${place}/all`));
    for (let other = 1; other < worldSize; other++) await this.get(`${place}/${other}`);
    await this.set(`${place}/all`, '');
  }

  /** Calls `listener` when the job cannot go on, or at once where that is so. */
  whenLost(listener: (error: DiagnosticError) => void): void {
    if (this.#lost) listener(this.#lost);
    else this.#lostTo.push(listener);
  }

  /** The cause of an error that may follow from another process's leaving: that, where it has left. */
  async explain(error: unknown): Promise<unknown> {
    if (!(error instanceof DiagnosticError) || !consequences.includes(error.code)) return error;
    // A process that ends closes its connections a moment before it can be seen to have ended.
    for (let look = 0; look < 10 && this.#lost === null; look++) {
      await this.#look();
      await sleep(200);
    }
    return this.#lost ?? error;
  }

  /** Leaves before the work is done, and says how. Takes no longer than a moment: the store may be gone. */
  async leave(how: { readonly problem: string } | { readonly stopped: string }): Promise<void> {
    clearInterval(this.#looking);
    this.#attendance.end();
    await Promise.race([this.#attendance.leave(how).catch(() => {}), sleep(300)]);
  }

  /**
   * Leaves, the work being done: rank 0, which may serve the store and still writes, when all have said so; the others when it has written,
   * since a launcher may end the rest of a job when one process of it ends.
   */
  async done(): Promise<void> {
    const { rank, worldSize } = this.#environment;
    if (rank === 0) {
      await this.set('written', '');
      // All is written: a process that has left in between has nothing to lose.
      for (let other = 1; other < worldSize; other++) await this.#isDone(other).catch(() => {});
    } else {
      await this.get('written');
    }
    clearInterval(this.#looking);
    this.#attendance.end();
    await this.#engine.storeAdd(doneKey(rank), 1);
  }

  /** Waits, where the store ends with this process, until the others have looked once more, and so read why the job ends. */
  async lastLook(): Promise<void> {
    if (this.#rankServes && this.#environment.rank === 0) await sleep(1200 * lookSeconds);
  }

  /** Ends this process's part in the job. */
  close(): void {
    clearInterval(this.#looking);
    this.#attendance.end();
    this.#engine.close();
  }

  async #isDone(rank: number): Promise<void> {
    while ((await this.#engine.storeAdd(doneKey(rank), 0)) === 0) {
      if (this.#lost) return;
      await sleep(10);
    }
  }

  async #attend(): Promise<void> {
    const { rank, worldSize } = this.#environment;
    await this.#engine.storeSet(hereKey(rank), presenceText(this.#own));
    const missing = new Set(Array.from({ length: worldSize }, (_, other) => other));
    const watchedRanks = rank === 0 ? [...missing] : [0];
    const come = async () => {
      for (const other of watchedRanks) {
        const presence = parsePresence(await this.get(hereKey(other)));
        missing.delete(other);
        if (other !== rank) this.#attendance.watch(presence);
      }
    };
    // What is missing is looked for in the order of ranks: those behind the first may be there.
    const names = async () => {
      for (const other of missing) if (await readOrNull(this.#engine, hereKey(other), 0)) missing.delete(other);
      return [...missing].map((other) => `rank ${other}`);
    };
    await named(this.#tell, this.#environment, come(), rank === 0 ? names : () => []);
  }

  async #look(): Promise<void> {
    try {
      await this.#attendance.tick();
      this.#failures = 0;
    } catch (error) {
      if (++this.#failures >= failuresOfStore && error instanceof DiagnosticError) this.#lose(error);
    }
  }

  #lose(error: DiagnosticError): void {
    if (this.#lost) return;
    this.#lost = error;
    clearInterval(this.#looking);
    for (const listener of this.#lostTo) listener(error);
    this.#lostTo = [];
  }

  /** A promise, or the error that ends the job. */
  #unlessLost<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const lose = (error: DiagnosticError) => reject(error);
      this.whenLost(lose);
      const forget = () => (this.#lostTo = this.#lostTo.filter((one) => one !== lose));
      promise.then(resolve, (error: unknown) => this.explain(error).then(reject)).finally(forget);
    });
  }
}

export interface MeetingRequest {
  readonly environment: RankEnvironment;
  readonly tell: Tell;
  readonly stop: StopNote;
  /** Whether the store is there already, where this rank is to serve it. Default false: it is served until the work ends. */
  readonly isServed?: boolean;
}

/**
 * Does a rank's work among the others; `work` is given no meeting where there are none. What ends it is told them, or was told by them.
 * Throws what `work` throws, or why the job cannot go on where that is the cause.
 */
export async function amongOthers<T>(
  { environment, tell, stop, isServed = false }: MeetingRequest,
  work: (meeting: Meeting | null) => Promise<T>,
): Promise<T> {
  if (environment.worldSize === 1) return work(null);
  const meeting = await Meeting.join(environment, tell, isServed);
  stop.beforeLeaving((signal) => meeting.leave({ stopped: signal }));
  try {
    const result = await work(meeting);
    await meeting.done();
    return result;
  } catch (error) {
    const cause = await meeting.explain(error);
    const code = cause instanceof DiagnosticError ? cause.code : null;
    if (code === aborted.code) await meeting.leave({ stopped: abortWord });
    else if (code === null || !consequences.includes(code))
      await meeting.leave({ problem: cause instanceof Error ? cause.message : String(cause) });
    await meeting.lastLook();
    throw cause;
  } finally {
    meeting.close();
  }
}

const hereKey = (rank: number): string => `here/${rank}`;

const read = async (engine: AddonEngine, key: string, seconds: number): Promise<string> =>
  new TextDecoder().decode(await engine.storeGet(key, seconds));

/** Null where nobody sets the key in one slice of a wait. */
async function readOrNull(engine: AddonEngine, key: string, seconds = sliceSeconds): Promise<string | null> {
  try {
    return await read(engine, key, seconds);
  } catch (error) {
    if (error instanceof DiagnosticError && error.code === 'engine/store-timeout') return null;
    throw error;
  }
}
