/**
 * The versions of values: which layouts each value exists in so far, and the cheapest way to another.
 *
 * Each has a scope (`scope.ts`), and who comes later than it shares it within its scope. A reshard of what is the same for all
 * microbatches, as parameters and their casts are, is made again in each segment and direction that reads it: a gathered weight is
 * never kept for the step. One of what a microbatch makes is kept as long as its operand, for everyone after it; where it is larger
 * than what it is made of, as long as the plan says. But weight slots of different chunks come in any order, and what one has made is
 * not there for another.
 */
import type { GraphInput, Source, ValueId } from '../ir/graph.js';
import {
  canonicalLayout,
  largestBlock,
  layoutFault,
  printLayout,
  sameLayout,
  turnOf,
  type Layout,
  type Split,
} from '../ir/layout.js';
import { axesSize, type Mesh } from '../ir/mesh.js';
import { dtypeBytes } from '../ir/dtype.js';
import { madeOnce } from '../ir/texts.js';
import type { TensorType } from '../ir/type.js';
import type { PlacedId, PlacedInput, PlacedStep, PlacedValue } from './placed.js';
import type { ReshardSearch } from '../reshard/search.js';
import type { PartitionCosts } from './costs.js';
import { instanceOf, type Scope } from '../plan/scope.js';

interface Version {
  readonly placed: PlacedValue;
  /** Of a reshard: who asked for it first. Null: it is there for all who may read the value. */
  readonly madeFor: Source | null;
  /** Stored or computed here, not the reshard or the landing of another version. */
  readonly native: boolean;
}

/** An offer to obtain a value in a layout: what it costs, in seconds, and the act. */
export interface Quote {
  readonly seconds: number;
  /**
   * The version that it starts from, `{batch:data} @0`, and where it comes from another group in which layouts it is sent and lands:
   * `{| sum:data} @0 > {} > {batch:data} @1`.
   */
  route(): string;
  take(): PlacedId;
}

/** How a value is to be had on a group. */
export interface Wanted {
  readonly value: ValueId;
  readonly type: TensorType;
  readonly group: number;
  readonly layout: Layout;
  /** The op that asks for it. */
  readonly source: Source;
}

export class Versions {
  readonly values: PlacedValue[] = [];
  readonly steps: PlacedStep[] = [];
  readonly inputs: PlacedInput[] = [];
  private readonly byValue = new Map<ValueId, Version[]>();
  private readonly layoutText = madeOnce(printLayout);
  private readonly meshes: readonly Mesh[];
  private readonly costs: Pick<PartitionCosts, 'transferSeconds'>;
  private readonly reshards: readonly ReshardSearch[];
  private readonly nameOf: (value: ValueId) => string;
  private readonly arrival: (group: number, type: TensorType) => Layout;
  private readonly chunkOf: (segment: string) => number;
  private readonly keptFor: (reader: Source) => Scope;

  constructor(
    meshes: readonly Mesh[],
    costs: Pick<PartitionCosts, 'transferSeconds'>,
    reshards: readonly ReshardSearch[],
    nameOf: (value: ValueId) => string,
    arrival: (group: number, type: TensorType) => Layout,
    chunkOf: (segment: string) => number,
    keptFor: (reader: Source) => Scope,
  ) {
    this.meshes = meshes;
    this.costs = costs;
    this.reshards = reshards;
    this.nameOf = nameOf;
    this.arrival = arrival;
    this.chunkOf = chunkOf;
    this.keptFor = keptFor;
  }

  /** Declares a graph input where it is stored. `scope`: how long it stays the same. */
  declareInput({ value, ...input }: GraphInput, type: TensorType, layout: Layout, group: number, scope: Scope): void {
    const name = this.homes(value).length > 0 ? `${input.name} @${group}` : input.name;
    const placed = this.make(value, { type, layout, group, name, scope }, null, true);
    this.inputs.push({ ...input, value: placed.id });
  }

  /** Declares the result of an op. */
  declareResult(value: ValueId, type: TensorType, layout: Layout, group: number, scope: Scope): PlacedId {
    return this.make(value, { type, layout, group, name: this.nameOf(value), scope }, null, true).id;
  }

  /** How long a value stays the same, where it was declared. */
  lasts(value: ValueId): Scope {
    return this.homes(value)[0].placed.scope;
  }

  /**
   * The layouts that a value offers an op of a group: those it has there, oldest first. One that comes from another group also offers
   * what it can land in, of which the plan's own is the first: an op that is the first to read it sees the splits that it can keep.
   */
  offers(value: ValueId, type: TensorType, group: number): readonly Layout[] {
    const here = this.homes(value).filter(({ placed }) => placed.group === group);
    const layouts = here.map(({ placed }) => placed.layout);
    return here.some(({ native }) => native) ? layouts : distinct([...layouts, ...this.landings(value, type, group)]);
  }

  /** Where a value of another group can land: as the plan would have it, and split as it is where it was made. */
  private landings(value: ValueId, type: TensorType, group: number): readonly Layout[] {
    const mesh = this.meshes[group];
    const made = this.homes(value).slice(0, 1);
    return [this.arrival(group, type), ...made.map(({ placed }) => splitsOn(mesh, placed.layout))]
      .filter((layout) => layoutFault(mesh, type, layout) === null)
      .map((layout) => canonicalLayout(mesh, type, layout));
  }

  /** What a value offers a reader on a group, as text: equal texts, equal offers and quotes, as far as the group's prices are. */
  seenFrom(value: ValueId, group: number, reader: Source): string {
    return this.homes(value)
      .map((version) => {
        const { placed, native } = version;
        const where = placed.group === group ? '' : `@${placed.group}`;
        const there = this.isThere(version, reader) ? '' : ' gone';
        return `${this.layoutText(placed.layout)}${where}${native ? ' native' : ''}${there}`;
      })
      .join();
  }

  any(value: ValueId): PlacedValue | null {
    return this.homes(value)[0]?.placed ?? null;
  }

  /**
   * Every way to have a value as it is wanted. A version that lies so already is the only one, whatever others would cost.
   */
  quotes(wanted: Wanted): readonly Quote[] {
    const { value, type, group, layout } = wanted;
    const to = canonicalLayout(this.meshes[group], type, layout);
    const usable = this.usable(wanted);
    // What is stored on a group, or has come to it, is not sent there again: no later group is waited for on behalf of a tied weight.
    const here = usable.filter((placed) => placed.group === group);
    if (here.length > 0) return this.local(wanted, here, to);
    return usable.flatMap((placed) => this.transfers(value, placed, group, to, wanted.source));
  }

  /** The versions that whoever asks may read, oldest first. */
  private usable({ value, source }: Wanted): readonly PlacedValue[] {
    return this.homes(value).flatMap((version) => (this.isThere(version, source) ? [version.placed] : []));
  }

  /** From versions of the group itself. */
  private local(wanted: Wanted, here: readonly PlacedValue[], to: Layout): readonly Quote[] {
    const exact = here.find((placed) => sameLayout(placed.layout, to));
    if (exact) return [{ seconds: 0, route: () => routeOf(exact), take: () => exact.id }];
    return byHops(here, to).flatMap((from) => {
      const path = this.reshards[from.group].find(from.type, from.layout, to);
      return path
        ? [{ seconds: path.seconds, route: () => routeOf(from), take: () => this.reshard(wanted, from, to) }]
        : [];
    });
  }

  private reshard({ value, source }: Wanted, from: PlacedValue, to: Layout): PlacedId {
    let current = from;
    for (const move of this.reshards[from.group].take(from.type, from.layout, to)!.moves) {
      const existing = this.homes(value).find(
        (v) => v.placed.group === from.group && this.isThere(v, source) && sameLayout(v.placed.layout, move.to),
      );
      if (existing) {
        current = existing.placed;
        continue;
      }
      const next = this.make(value, this.resharded(value, current, move.to, source), source);
      this.steps.push({ kind: 'move', move, inputs: [current.id], outputs: [next.id], source, group: from.group });
      current = next;
    }
    return current.id;
  }

  /**
   * Between groups: reduce at the source, send tiles into a layout with no more than the splits it needs there, and finish on the other
   * side. Where it is needed with fewer splits than it can land in, it may land with more and be gathered there.
   */
  private transfers(value: ValueId, from: PlacedValue, group: number, to: Layout, source: Source): readonly Quote[] {
    const { type } = from;
    const whole: Layout = { splits: from.layout.splits, partial: {} };
    const atSource: Wanted = { value, type, group: from.group, layout: whole, source };
    const there = this.usable(atSource).filter((placed) => placed.group === from.group);
    const sent = this.local(atSource, there, whole);
    const needed: Layout = { splits: to.splits, partial: {} };
    const landings = distinct([needed, ...this.landings(value, type, group)]).flatMap((landing) => {
      const path = this.reshards[group].find(type, landing, to);
      if (!path) return [];
      const bytes = largestBlock(this.meshes[group], type, landing) * dtypeBytes[type.dtype];
      const messages = messagesInto(this.meshes[from.group], whole, this.meshes[group], landing);
      return [{ landing, seconds: this.costs.transferSeconds(bytes, messages) + path.seconds }];
    });
    return sent.flatMap((reduced) =>
      landings.map(({ landing, seconds }) => ({
        seconds: reduced.seconds + seconds,
        route: () => `${reduced.route()} > ${printLayout(whole)} > ${printLayout(landing)} @${group}`,
        take: () => {
          const inputs = [reduced.take()] as const;
          const name = `${this.nameOf(value)} ${printLayout(landing, type)} from ${from.group} @${group}`;
          const landed = this.make(value, { type, layout: landing, group, name, scope: this.lasts(value) }, null);
          const { group: fromGroup } = from;
          this.steps.push({ kind: 'transfer', inputs, outputs: [landed.id], source, group, fromGroup });
          return this.local({ ...atSource, group, layout: to }, [landed], to)[0].take();
        },
      })),
    );
  }

  private isThere({ placed, madeFor }: Version, reader: Source): boolean {
    if (madeFor === null) return true;
    const instance = (of: Source) => instanceOf(placed.scope, of, this.chunkOf);
    return instance(madeFor) === instance(reader);
  }

  /** A version that is made for `reader`: how long it is kept, and a name that no other version of its value has. */
  private resharded(value: ValueId, from: PlacedValue, layout: Layout, reader: Source): Omit<PlacedValue, 'id'> {
    const { type, group } = from;
    const scope = this.reshardScope(value, from, layout, reader);
    const instance = instanceOf(scope, reader, this.chunkOf);
    const name = `${this.nameOf(value)} ${printLayout(layout, type)}${instance && ` in ${instance}`}`;
    return { name, type, layout, group, scope };
  }

  private reshardScope(value: ValueId, { type, layout, group }: PlacedValue, to: Layout, reader: Source): Scope {
    if (reader.phase === 'update') return 'step';
    if (this.lasts(value) === 'step') return 'segment and direction';
    const mesh = this.meshes[group];
    // What comes round a ring is, all in all, the whole.
    const turns = Object.values(to.splits).some((split) => turnOf(split) !== 0);
    const grows = turns || largestBlock(mesh, type, to) > largestBlock(mesh, type, layout);
    const scope = grows ? this.keptFor(reader) : 'microbatch';
    return scope === 'microbatch' && reader.phase === 'weight' ? 'segment and direction' : scope;
  }

  private homes(value: ValueId): Version[] {
    return this.byValue.get(value) ?? [];
  }

  private make(value: ValueId, made: Omit<PlacedValue, 'id'>, madeFor: Source | null, native = false): PlacedValue {
    const layout = canonicalLayout(this.meshes[made.group], made.type, made.layout);
    const placed: PlacedValue = { ...made, id: this.values.length, layout };
    this.values.push(placed);
    const versions = this.byValue.get(value);
    if (versions) versions.push({ placed, madeFor, native });
    else this.byValue.set(value, [{ placed, madeFor, native }]);
    return placed;
  }
}

/** The fewest hops first: round a ring a block comes from the neighbour that has it. */
const byHops = (here: readonly PlacedValue[], to: Layout): readonly PlacedValue[] => {
  const hops = ({ layout }: PlacedValue) =>
    Object.entries(to.splits).reduce(
      (n, [factor, split]) => n + Math.abs(turnOf(split) - turnOf(layout.splits[factor] ?? split)),
      0,
    );
  return here.length < 2 ? here : [...here].sort((a, b) => hops(a) - hops(b));
};

const routeOf = ({ layout, group }: PlacedValue): string => `${printLayout(layout)} @${group}`;

/** The first of the cheapest. */
export const cheapest = (quotes: readonly Quote[]): Quote | null =>
  quotes.reduce<Quote | null>((best, quote) => (best === null || quote.seconds < best.seconds ? quote : best), null);

/** How many blocks of one mesh a block of another has elements of, where both are cut evenly. */
function messagesInto(source: Mesh, from: Layout, destination: Mesh, to: Layout): number {
  const parts = (mesh: Mesh, layout: Layout, factor: string) => axesSize(mesh, layout.splits[factor]?.axes ?? []);
  return Object.keys(from.splits).reduce(
    (n, factor) => n * Math.ceil(parts(source, from, factor) / parts(destination, to, factor)),
    1,
  );
}

/** The splits of a layout that another mesh can have: over axes that it has too, evenly where it has other parts. */
function splitsOn(mesh: Mesh, { splits }: Layout): Layout {
  const kept = Object.entries(splits).flatMap(([factor, { axes, bounds }]): [string, Split][] => {
    if (!axes.every((name) => mesh.axes.some((axis) => axis.name === name))) return [];
    return [[factor, bounds?.length === axesSize(mesh, axes) + 1 ? { axes, bounds } : { axes }]];
  });
  return { splits: Object.fromEntries(kept), partial: {} };
}

const distinct = (layouts: readonly Layout[]): readonly Layout[] => [
  ...new Map(layouts.map((layout) => [printLayout(layout), layout])).values(),
];
