/**
 * Lanes and events of one template under construction.
 *
 * An instruction on another lane begins after everything the compute lane did before it in launch order (a signal and a wait), and
 * signals when it is done. Compute waits for that just before it first touches a buffer that the other lane touches.
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
}

/** A touch by another lane, and the event after it. */
interface Touch extends Extent {
  readonly done: Awaited;
}

/** What other lanes touch, over all templates: what compute must wait for before it touches the same elements. */
export class Pending {
  private readonly touches = new Map<ValueIndex, Touch[]>();

  note(extent: Extent, done: Awaited): void {
    const others = (this.touches.get(extent.buffer) ?? []).filter((t) => t.from < extent.from || t.to > extent.to);
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
    // What is received is asked for ahead of its slot: meanwhile messages of later microbatches may be under way.
    const done: Awaited = { event: `done ${label}`, each: instruction.kind === 'receive' };
    this.body.push(instruction, { kind: 'signal', ...done, lane, source });
    for (const { value } of operandsOf(instruction)) this.pending.note(this.extentOf(value), done);
    // What was waited for before was the event of an earlier microbatch.
    this.waited.delete(done.event);
  }

  /** Compute waits for an event of this or an earlier template. */
  private wait(done: Awaited, source: Source): void {
    if (this.waited.has(done.event)) return;
    this.waited.add(done.event);
    this.body.push({ kind: 'wait', ...done, lane: 'compute', source });
  }

  /** Compute waits for everything that is still under way: the end of a step. */
  drain(): void {
    const source = this.body[this.body.length - 1]?.source;
    if (source) for (const done of this.pending.all()) this.wait(done, source);
  }

  private waitForBuffers(instruction: Instruction): void {
    for (const { value } of operandsOf(instruction)) {
      for (const done of this.pending.on(this.extentOf(value))) this.wait(done, instruction.source);
    }
  }

  private fork(lane: Lane, label: string, source: Source): void {
    const start: Awaited = { event: `start ${label}`, each: false };
    this.body.push({ kind: 'signal', ...start, lane: 'compute', source }, { kind: 'wait', ...start, lane, source });
  }
}
