/**
 * Lanes and events of one template under construction.
 *
 * An instruction on another lane begins after everything the compute lane did before it in launch order (a signal and a wait), and
 * signals when it is done. Compute waits for that just before it first touches a buffer that the other lane touches.
 */
import type { Source } from '../ir/graph.js';
import type { EventName, Instruction, Lane, ValueIndex } from '../program/program.js';
import { operandsOf } from '../program/unroll.js';

/** The elements of a buffer between a value's first and its last. */
export interface Extent {
  readonly buffer: ValueIndex;
  readonly from: number;
  readonly to: number;
}

/** A touch by another lane, and the event after it. */
interface Touch extends Extent {
  readonly event: EventName;
}

/** What other lanes touch, over all templates: what compute must wait for before it touches the same elements. */
export class Pending {
  private readonly touches = new Map<ValueIndex, Touch[]>();

  note(extent: Extent, event: EventName): void {
    const others = (this.touches.get(extent.buffer) ?? []).filter((t) => t.from < extent.from || t.to > extent.to);
    this.touches.set(extent.buffer, [...others, { ...extent, event }]);
  }

  on({ buffer, from, to }: Extent): readonly EventName[] {
    return (this.touches.get(buffer) ?? []).filter((t) => t.from < to && from < t.to).map((t) => t.event);
  }

  all(): ReadonlySet<EventName> {
    return new Set([...this.touches.values()].flat().map((t) => t.event));
  }
}

export class TemplateWriter {
  readonly body: Instruction[] = [];
  private readonly extentOf: (value: ValueIndex) => Extent;
  private readonly pending: Pending;
  private readonly waited = new Set<EventName>();

  constructor(extentOf: (value: ValueIndex) => Extent, pending: Pending) {
    this.extentOf = extentOf;
    this.pending = pending;
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
    const done = `done ${label}`;
    this.body.push(instruction, { kind: 'signal', event: done, lane, source });
    for (const { value } of operandsOf(instruction)) this.pending.note(this.extentOf(value), done);
    // What was waited for before was the event of an earlier microbatch.
    this.waited.delete(done);
  }

  /** Compute waits for an event of this or an earlier template. */
  wait(event: EventName, source: Source): void {
    if (this.waited.has(event)) return;
    this.waited.add(event);
    this.body.push({ kind: 'wait', event, lane: 'compute', source });
  }

  /** Compute waits for everything that is still under way: the end of a step. */
  drain(): void {
    const source = this.body[this.body.length - 1]?.source;
    if (source) for (const event of this.pending.all()) this.wait(event, source);
  }

  private waitForBuffers(instruction: Instruction): void {
    for (const { value } of operandsOf(instruction)) {
      for (const event of this.pending.on(this.extentOf(value))) this.wait(event, instruction.source);
    }
  }

  private fork(lane: Lane, label: string, source: Source): void {
    const event = `start ${label}`;
    this.body.push({ kind: 'signal', event, lane: 'compute', source }, { kind: 'wait', event, lane, source });
  }
}
