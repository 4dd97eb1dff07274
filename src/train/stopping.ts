/**
 * When a job stops before its end: one decision, taken once, that every process acts on at the same place.
 *
 * A process that has been asked to stop and has done k steps proposes the step after k + 1. The first proposal is the decision; it is in
 * the store before its process begins step k + 1. No other process can end that step without this one, and each looks at the store
 * before it begins a step, so none can have begun step k + 2.
 *
 * What lies between two steps need not bind processes together so: the first stage of a pipeline may be done with a validation before
 * the last has begun it. There rank 0 says at each of a few places whether all stop at that place, and the others wait for its word.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Peers } from '../run/peers.js';
import type { RankJob } from './rank_job.js';

export class Stopping {
  readonly #peers: Peers;
  readonly #interrupted: () => boolean;
  readonly #signalled: () => boolean;
  #proposed = false;
  /** Steps after which the job stops, once that is decided. */
  #after: number | null = null;
  /** Places between steps at which rank 0 has given its word. */
  #words = 0;
  #now = false;

  /** `interrupted`: whether this process has been asked to stop; `signalled`: whether a signal did, and not its own script alone. */
  constructor(peers: Peers, { interrupted, signalled }: Pick<RankJob, 'interrupted' | 'signalled'>) {
    this.#peers = peers;
    this.#interrupted = interrupted;
    this.#signalled = signalled;
  }

  /** Whether nobody but the script asked the job to stop, in whichever process. Asked where it has stopped. */
  async byScriptAlone(): Promise<boolean> {
    if (this.#signalled()) return false;
    return this.#peers.processes === 1 || (await this.#peers.add('stop/signals', 0)) === 0;
  }

  /** Whether the job stops here, with so many steps done. Asked by every process before each step. */
  async stopsAfter(done: number): Promise<boolean> {
    if (this.#now) return true;
    this.#after ??= await this.#decision(done);
    return this.#after !== null && done >= this.#after;
  }

  /**
   * Whether the job stops at this place between two steps, with so many done, and leaves out what it is about. Asked by every process
   * at the same places.
   */
  async stopsHere(done: number): Promise<boolean> {
    if (this.#now) return true;
    if (this.#peers.processes === 1) return (this.#now = await this.#askedAlone());
    await this.#propose(done);
    const key = `stop/here/${this.#words++}`;
    if (this.#peers.rank === 0) {
      const stops = (await this.#peers.add('stop/proposals', 0)) > 0;
      await this.#peers.set(key, stops ? 'stop' : 'go');
    }
    return (this.#now = (await this.#peers.get(key)) === 'stop');
  }

  async #decision(done: number): Promise<number | null> {
    if (this.#peers.processes === 1) return (await this.#askedAlone()) ? done : null;
    const proposals = (await this.#propose(done)) ?? (await this.#peers.add('stop/proposals', 0));
    return proposals === 0 ? null : Number(await this.#peers.get('stop/after'));
  }

  /** A step of the reference engine never leaves the thread on which signals arrive: here they get their turn. */
  async #askedAlone(): Promise<boolean> {
    await turn();
    return this.#interrupted();
  }

  /** Proposes the step after the next one, once, where this process has been asked to stop; gives the proposals until then. */
  async #propose(done: number): Promise<number | null> {
    if (this.#proposed || !this.#interrupted()) return null;
    this.#proposed = true;
    // There before the proposal is: whoever stops by that finds it.
    if (this.#signalled()) await this.#peers.add('stop/signals', 1);
    const proposals = await this.#peers.add('stop/proposals', 1);
    // Of several that ask in the same moment, the store counts one as the first.
    if (proposals === 1) await this.#peers.set('stop/after', String(done + 1));
    return proposals;
  }
}
