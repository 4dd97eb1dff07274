/**
 * Lead-ins: what a slot gathers first, under the end of what the group runs before it.
 *
 *   lead-in of forward(0)   forward(0)              lead-in of forward(1)   forward(0)   forward(1)
 *   gather a                gather b, compute a     gather a                compute b    gather b, compute a  …
 *
 * With prefetch k a segment's weights are gathered k segments ahead in the order in which the group comes to them. Within a slot the placed
 * graph has them there. Those of a slot's first k segments belong under the end of the slot before, or of an earlier one where that has
 * fewer: each is a text of its own, for the microbatch of the slot that reads it, and the slot under which it runs is cut where the segment
 * begins that is k ahead. So the weights of k + 1 segments are there at once, and no more. The first ones of the step have nothing to run
 * under, and come first.
 *
 * Of two woven slots each goes on from one of the pair before it: they have twice as much there.
 */
import { isExchange, scopeOf, type PlacedGraph, type PlacedId, type PlacedStep } from '../partition/placed.js';
import type { Listed } from './sections.js';
import { kindText, type SlotKind } from './slot_kinds.js';
import { within, type SlotStep } from './slot_order.js';

/** What a slot runs. */
export interface SlotSection {
  /** Of each of the first segments whose weights are gathered, what gathers them: as many as are gathered ahead. */
  readonly leadIns: readonly (readonly Listed[])[];
  /** All else, in launch order. */
  readonly body: readonly Listed[];
  /** Where in the body each segment begins whose weights are gathered; the first at 0. */
  readonly begins: readonly number[];
}

/** What is gathered ahead of a slot: of the segment with this number among those of the slot whose weights are gathered. */
export interface LeadIn {
  readonly kind: 'lead-in';
  readonly slot: SlotKind;
  readonly first: boolean;
  readonly segment: number;
  readonly microbatch: number;
}

/** The steps that gather stored parameters for one segment in one direction: collectives, and the buckets that they fill taken apart. */
export function gathersOf(graph: PlacedGraph): ReadonlySet<PlacedStep> {
  const stored = new Set<PlacedId>(graph.inputs.flatMap(({ kind, value }) => (kind === 'parameter' ? [value] : [])));
  const gathers = new Set<PlacedStep>();
  for (const step of graph.steps) {
    if (step.inputs.length === 0 || !step.inputs.every((id) => stored.has(id))) continue;
    const scope = scopeOf(graph, step);
    const moves = isExchange(step);
    if (scope === 'segment and direction' && (moves || step.kind === 'unpack')) gathers.add(step);
    // What follows from a gathered member is made where it is read.
    if (scope === 'step' || (gathers.has(step) && moves)) step.outputs.forEach((id) => stored.add(id));
  }
  return gathers;
}

/** Takes out of what a slot runs the gathers of its first segments, and the casts that these need. */
export function splitSection(
  listed: readonly Listed[],
  gathers: ReadonlySet<PlacedStep>,
  prefetch: number,
): SlotSection {
  const bySegment = new Map<string, Listed[]>();
  const segmentOf = new Map<PlacedId, string>();
  const makers = new Map<PlacedId, Listed>();
  for (const one of listed) {
    const { step } = one;
    step.outputs.forEach((id) => makers.set(id, one));
    if (!gathers.has(step)) continue;
    const { segment } = step.source;
    bySegment.set(segment, [...(bySegment.get(segment) ?? []), one]);
    step.outputs.forEach((id) => segmentOf.set(id, segment));
  }
  if (prefetch === 0 || bySegment.size === 0) return { leadIns: [], body: listed, begins: [] };
  /** In the order of their first readers. */
  const readers = new Map<string, Listed>();
  for (const one of listed) {
    if (gathers.has(one.step)) continue;
    const segment = one.step.inputs.map((id) => segmentOf.get(id)).find((read) => read !== undefined);
    if (segment !== undefined && !readers.has(segment)) readers.set(segment, one);
  }
  const taken = new Set<Listed>();
  const take = (one: Listed): readonly Listed[] => {
    if (taken.has(one)) return [];
    taken.add(one);
    return [...one.step.inputs.flatMap((id) => (makers.has(id) ? take(makers.get(id)!) : [])), one];
  };
  const leadIns = [...readers.keys()].slice(0, prefetch).map((segment) => bySegment.get(segment)!.flatMap(take));
  const body = listed.filter((one) => !taken.has(one));
  const begins = [...readers.values()].map((reader, i) => (i === 0 ? 0 : beginOf(body, reader)));
  return { leadIns, body, begins };
}

/** Where the run of steps of one segment begins in which its weights are first read. */
function beginOf(body: readonly Listed[], reader: Listed): number {
  let at = body.indexOf(reader);
  while (at > 0 && body[at - 1].step.source.segment === reader.step.source.segment) at--;
  return at;
}

/** Where a slot is cut, so that those which follow can gather under its end: no cut at its begin. */
export const cutsOf = ({ leadIns, begins }: SlotSection): readonly number[] =>
  begins.slice(begins.length - leadIns.length).filter((at) => at > 0);

/** A slot of the table, and what it follows. */
interface Instance extends Pick<SlotStep, 'slot' | 'first' | 'microbatch'> {
  /** Under whose end its lead-ins run. */
  readonly after: Instance | null;
  /** Place in the order of each segment whose weights are gathered. */
  readonly places: readonly number[];
}

/**
 * What a group computes, with lead-ins where they are launched: right before the step with which the segment begins that is `prefetch` ahead,
 * or behind the one that first makes what they read, where that comes later.
 */
export function withLeadIns(
  order: readonly SlotStep[],
  section: (slot: SlotKind, first: boolean) => SlotSection,
  prefetch: number,
): readonly (SlotStep | LeadIn)[] {
  const launched = new Map<number, LeadIn[]>();
  const made = placesMade(order, section);
  for (const instance of instancesOf(order, section)) {
    const { slot, first, microbatch } = instance;
    section(slot, first).leadIns.forEach((listed, segment) => {
      const reads = listed.flatMap(({ step }) => step.inputs.map((id) => made.get(id) ?? 0));
      const at = Math.max(placeAhead(instance.after, prefetch - segment), ...reads);
      for (const { step } of listed) step.outputs.forEach((id) => made.set(id, made.get(id) ?? at));
      launched.set(at, [...(launched.get(at) ?? []), { kind: 'lead-in', slot, first, segment, microbatch }]);
    });
  }
  return order.flatMap((step, i) => [...(launched.get(i) ?? []), step]);
}

/** What slots make by the place behind the first step that does: what lasts for the step is there from then on. */
function placesMade(
  order: readonly SlotStep[],
  section: (slot: SlotKind, first: boolean) => SlotSection,
): Map<PlacedId, number> {
  const made = new Map<PlacedId, number>();
  order.forEach(({ slot, first, piece }, i) => {
    if (!first) return;
    for (const { step } of within(section(slot, first).body, piece))
      step.outputs.forEach((id) => made.set(id, made.get(id) ?? i + 1));
  });
  return made;
}

/** Of an instance and those that it follows, where the segment begins that is so many before the end; the begin of the step if there is none. */
function placeAhead(from: Instance | null, segments: number): number {
  let left = segments;
  for (let one = from; one; one = one.after) {
    if (left <= one.places.length) return one.places[one.places.length - left];
    left -= one.places.length;
  }
  return 0;
}

function instancesOf(
  order: readonly SlotStep[],
  section: (slot: SlotKind, first: boolean) => SlotSection,
): readonly Instance[] {
  const steps = new Map<string, number[]>();
  order.forEach(({ entry, slot, microbatch }, i) => {
    const key = `${entry} ${kindText(slot)} ${microbatch}`;
    steps.set(key, [...(steps.get(key) ?? []), i]);
  });
  const instances: Instance[] = [];
  /** What ends last: a slot, or two that are woven. */
  let ends: readonly Instance[] = [];
  let beside: Instance | null = null;
  for (const its of steps.values()) {
    const { slot, first, microbatch, isWoven } = order[its[0]];
    const places = section(slot, first).begins.map(
      (begin) => its.find((i) => (order[i].piece?.from ?? 0) === begin) ?? its[0],
    );
    const after = (isWoven && !beside ? ends[0] : ends[ends.length - 1]) ?? null;
    const made: Instance = { slot, first, microbatch, after, places };
    instances.push(made);
    if (isWoven && !beside) beside = made;
    else {
      ends = beside ? [beside, made] : [made];
      beside = null;
    }
  }
  return instances;
}
