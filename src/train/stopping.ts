/**
 * When a job stops before its end: one decision, taken once, that every process acts on after the same step.
 *
 * A process that has been asked to stop and has done k steps proposes the step after k + 1. The first proposal is the decision; it is in
 * the store before its process begins step k + 1. No other process can end that step without this one, and each looks at the store
 * before it begins a step, so none can have begun step k + 2.
 */
import type { Peers } from '../run/peers.js';

export class Stopping {
  readonly #peers: Peers;
  readonly #interrupted: () => boolean;
  /** Steps after which the job stops, once that is decided. */
  #after: number | null = null;

  /** `interrupted`: whether this process has been asked to stop. */
  constructor(peers: Peers, interrupted: () => boolean) {
    this.#peers = peers;
    this.#interrupted = interrupted;
  }

  /** Whether the job stops here, with so many steps done. Asked by every process before each step. */
  async stopsAfter(done: number): Promise<boolean> {
    this.#after ??= await this.#decision(done);
    return this.#after !== null && done >= this.#after;
  }

  async #decision(done: number): Promise<number | null> {
    const asked = this.#interrupted();
    if (this.#peers.processes === 1) return asked ? done : null;
    const proposals = await this.#peers.add('stop/proposals', asked ? 1 : 0);
    if (proposals === 0) return null;
    // Of several that ask in the same moment, the store counts one as the first.
    if (asked && proposals === 1) await this.#peers.set('stop/after', String(done + 1));
    return Number(await this.#peers.get('stop/after'));
  }
}
