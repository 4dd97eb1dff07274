/**
 * Lanes and events of one template under construction.
 *
 * An instruction on another lane begins after everything the compute lane did before it in launch order (a signal and a wait), and
 * signals when it is done. Compute waits for that just before it first touches a buffer that the other lane touches. A collective that
 * touches what one of another lane does waits for it on its own lane: compute goes on under both.
 */
import type { Source } from '../ir/graph.js';
import type { EventName, Instruction, Lane, ValueIndex } from '../program/program.js';
import { operandsOf } from '../program/kinds.js';

/** The elements of a buffer between a value's first and its last. */
export interface Extent {
  readonly buffer: ValueIndex;
  readonly from: number;
  readonly to: number;
}

/** An event to wait for; `each`: that of the microbatch that waits. */
interface Awaited {
  readonly event: EventName;
  readonly each: boolean;
  /** Where it is signalled. */
  readonly by: Lane;
}

/** A touch by another lane, and the event after it. */
interface Touch extends Extent {
  readonly done: Awaited;
}

/** What other lanes touch, over all templates: what compute must wait for before it touches the same elements. */
export class Pending {
  private readonly touches = new Map<ValueIndex, Touch[]>();

  /**
   * A touch takes the place of those within it, for which it has waited; but not of one in a text that runs ahead (`each`): that is written
   * once, and every slot that follows must wait for it.
   */
  note(extent: Extent, done: Awaited): void {
    const outlast = (t: Touch) => t.from < extent.from || t.to > extent.to || (t.done.each && !done.each);
    const others = (this.touches.get(extent.buffer) ?? []).filter(outlast);
    this.touches.set(extent.buffer, [...others, { ...extent, done }]);
  }

  on({ buffer, from, to }: Extent): readonly Awaited[] {
    return (this.touches.get(buffer) ?? []).filter((t) => t.from < to && from < t.to).map((t) => t.done);
  }

  all(): readonly Awaited[] {
    return [...this.touches.values()].flat().map((t) => t.done);
  }
}

export class TemplateWriter {
  readonly body: Instruction[] = [];
  private readonly extentOf: (value: ValueIndex) => Extent;
  private readonly pending: Pending;
  /** It is launched ahead of the slot that reads what it makes: meanwhile that of later microbatches may be under way. */
  private readonly isAhead: boolean;
  /** Event, of each microbatch or not → the lanes that have waited for it. */
  private readonly waited = new Map<string, Set<Lane>>();

  constructor(extentOf: (value: ValueIndex) => Extent, pending: Pending, isAhead: boolean) {
    this.extentOf = extentOf;
    this.pending = pending;
    this.isAhead = isAhead;
  }

  /**
   * Adds an instruction, with the waits and signals that its lane needs. `label` names its events: the same in every variant of a
   * template, so that a wait in another template finds the latest of them.
   */
  emit(instruction: Instruction, label: string): void {
    this.waitForBuffers(instruction);
    if (instruction.lane === 'compute') {
      this.body.push(instruction);
      return;
    }
    const { lane, source } = instruction;
    this.fork(lane, label, source);
    const done: Awaited = { event: `done ${label}`, each: this.isAhead, by: lane };
    this.body.push(instruction, { kind: 'signal', event: done.event, each: done.each, lane, source });
    for (const { value } of operandsOf(instruction)) this.pending.note(this.extentOf(value), done);
    // What was waited for before was the event of an earlier microbatch.
    this.waited.delete(keyOf(done));
  }

  /** A lane waits for an event of this or an earlier template; for its own it does anyhow. */
  private wait({ event, each, by }: Awaited, lane: Lane, source: Source): void {
    const key = keyOf({ event, each });
    const lanes = this.waited.get(key) ?? new Set();
    if (by === lane || lanes.has(lane)) return;
    this.waited.set(key, lanes.add(lane));
    this.body.push({ kind: 'wait', event, each, lane, source });
  }

  /** Compute waits for everything that is still under way: the end of a step. */
  drain(): void {
    const source = this.body[this.body.length - 1]?.source;
    if (source) for (const done of this.pending.all()) this.wait(done, 'compute', source);
  }

  private waitForBuffers(instruction: Instruction): void {
    const { kind, lane, source } = instruction;
    for (const { value } of operandsOf(instruction)) {
      for (const done of this.pending.on(this.extentOf(value)))
        this.wait(done, kind === 'collective' ? lane : 'compute', source);
    }
  }

  private fork(lane: Lane, label: string, source: Source): void {
    const start = { event: `start ${label}`, each: false };
    this.body.push({ kind: 'signal', ...start, lane: 'compute', source }, { kind: 'wait', ...start, lane, source });
  }
}

const keyOf = ({ event, each }: Pick<Awaited, 'event' | 'each'>): string => `${each ? 'each' : 'the'} ${event}`;
