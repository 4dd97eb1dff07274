/**
 * Single moves between layouts of one value on one mesh.
 *
 *   all_gather      {h:a*b} → {h:a}            a suffix of a split's axes is dropped, of one factor or of several at once
 *   reduce_scatter  {| sum:a} → {h:a}          partial axes become the innermost axes of splits
 *   all_reduce      {| sum:a, sum:b} → {}      any set of partial axes at once
 *   all_to_all      {h:a} → {s:a}              axes change the factor they split, or bounds shift: {h:a[0,3,8]} → {h:a}
 *   permute         {h:a*b} → {h:b*a}          whole blocks change ranks; {h:a} → {h:b} where a and b are equally long
 *                   {h:a} → {h:a~1}            and every block goes to its neighbour
 *   slice           {} → {h:a}                 local: a rank keeps its part
 *   mask            {} → {| sum:a}             local: all but the first rank along a become neutral (a maximum may stay as it is)
 *   pad             {h:a} → {| sum:a}          local: the rest of the block is filled with the neutral element
 *
 * Any two legal layouts are joined by all_reduce, all_gather, slice and mask; the others make paths short. Bounds are those of the
 * target where they fit what is already cut, even ones, or the present parts cut evenly. Axes go only where the target wants them. A
 * turned split is turned straight before anything else becomes of it, and turned last.
 */
import {
  boundsOf,
  canonicalSplit,
  coarseBounds,
  cutEvenly,
  evenBounds,
  largestPart,
  printLayout,
  printSplit,
  reductionOf,
  turnOf,
  type Layout,
  type Reduction,
  type Split,
} from '../ir/layout.js';
import { axesSize, type AxisName, type Mesh } from '../ir/mesh.js';
import type { Communication } from '../cost/communication.js';
import type { Factor, FactorName } from '../ir/type.js';

export type MoveKind =
  'all_gather' | 'reduce_scatter' | 'all_reduce' | 'all_to_all' | 'permute' | 'slice' | 'mask' | 'pad';

export interface Move {
  readonly kind: MoveKind;
  readonly from: Layout;
  readonly to: Layout;
  /** The axes along which ranks exchange, or along which a local move tells them apart; in the mesh's order. */
  readonly axes: readonly AxisName[];
  /** The factors whose split changes. */
  readonly factors: readonly FactorName[];
  /** What all_reduce and reduce_scatter apply, and what mask and pad prepare for. */
  readonly reduction?: Reduction;
}

export const isLocal = (move: Move): boolean => move.kind === 'slice' || move.kind === 'mask' || move.kind === 'pad';

/** `reduce_scatter {axes=[tensor], factors=[sequence]} : {| sum:tensor} -> {sequence:tensor}` */
export function printMove(move: Move): string {
  const factors = move.factors.length > 0 ? `, factors=[${move.factors.join(', ')}]` : '';
  const reduction = move.reduction === 'max' ? ', reduction=max' : '';
  const layouts = `${printLayout(move.from)} -> ${printLayout(move.to)}`;
  return `${move.kind} {axes=[${move.axes.join(', ')}]${factors}${reduction}} : ${layouts}`;
}

/** Every useful single move out of `from`, for a value with these factors that is wanted in the layout `target`. Layouts are canonical. */
export function movesFrom(m: Mesh, factors: readonly Factor[], from: Layout, target: Layout): readonly Move[] {
  const site = new Site(m, factors, from, target);
  const straightened = [...turnsBack(site)];
  if (straightened.length > 0) return straightened;
  return [
    ...slices(site),
    ...masks(site),
    ...pads(site),
    ...allGathers(site),
    ...allReduces(site),
    ...reduceScatters(site),
    ...permutes(site),
    ...turns(site),
    ...allToAlls(site),
  ];
}

/** What a move communicates, for pricing. `elementBytes` may cover factors that the search left out. */
export function communicationOf(m: Mesh, factors: readonly Factor[], move: Move, elementBytes: number): Communication {
  const block = (layout: Layout) =>
    factors.reduce((n, { name, size }) => n * largestPart(m, layout.splits[name], size), elementBytes);
  const outputBytes = block(move.to);
  const kept = factors.reduce((n, f) => n * smallestOverlap(m, f, move.from, move.to), elementBytes);
  return {
    kind: isLocal(move) ? 'copy' : (move.kind as Communication['kind']),
    axes: move.axes,
    ranks: axesSize(m, move.axes),
    inputBytes: block(move.from),
    outputBytes,
    receivedBytes: Math.max(0, outputBytes - kept),
  };
}

/** One position of a search: a layout, where it should lead, and what both mean for every factor. */
class Site {
  readonly m: Mesh;
  /** Those whose splits may change: what is turned as the target has it stays. */
  readonly factors: readonly Factor[];
  private readonly all: readonly Factor[];
  readonly from: Layout;
  readonly target: Layout;
  /** Axes with neither a split nor a partial value. */
  readonly free: readonly AxisName[];
  readonly partial: readonly AxisName[];

  constructor(m: Mesh, factors: readonly Factor[], from: Layout, target: Layout) {
    this.m = m;
    this.all = factors;
    this.factors = factors.filter((factor) => {
      const split = from.splits[factor.name] ?? whole;
      return turnOf(split) === 0 || printSplit(split) !== printSplit(target.splits[factor.name] ?? whole);
    });
    this.from = from;
    this.target = target;
    const names = m.axes.filter((axis) => axis.size > 1).map((axis) => axis.name);
    this.partial = names.filter((axis) => from.partial[axis]);
    this.free = names.filter((axis) => roleOf(from, axis) === 'free');
  }

  split(factor: Factor): Split {
    return this.from.splits[factor.name] ?? whole;
  }

  /** As the target has it, but for the turn. */
  wanted(factor: Factor): Split {
    const { turn: _, ...straight } = this.target.splits[factor.name] ?? whole;
    return straight;
  }

  /** A permute that changes the turn of a factor's split alone. */
  turnTo(factor: Factor, turn: number): Move {
    const split = this.split(factor);
    return this.move('permute', split.axes, new Map([[factor.name, { ...split, turn }]]));
  }

  /** A move that changes some splits and sets the partial axes. */
  move(
    kind: MoveKind,
    axes: readonly AxisName[],
    changed: ReadonlyMap<FactorName, Split>,
    partial: Layout['partial'] = this.from.partial,
    reduction?: Reduction,
  ): Move {
    const splits: Record<FactorName, Split> = {};
    for (const { name, size } of this.all) {
      const split = changed.get(name) ?? this.from.splits[name];
      if (split && split.axes.length > 0) splits[name] = canonicalSplit(this.m, split, size);
    }
    const to = { splits, partial };
    return { kind, from: this.from, to, axes: inMeshOrder(this.m, axes), factors: [...changed.keys()], reduction };
  }

  partialWithout(axes: readonly AxisName[]): Layout['partial'] {
    return Object.fromEntries(Object.entries(this.from.partial).filter(([axis]) => !axes.includes(axis)));
  }

  partialWith(axes: readonly AxisName[], reduction: Reduction): Layout['partial'] {
    return { ...this.from.partial, ...Object.fromEntries(axes.map((axis) => [axis, reduction])) };
  }

  /** The ways to cut a factor further by `axes`, the target's bounds first. */
  extensions(factor: Factor, axes: readonly AxisName[]): readonly Split[] {
    const { m } = this;
    const { size } = factor;
    const [split, wanted] = [this.split(factor), this.wanted(factor)];
    const base = boundsOf(m, split, size);
    const all = [...split.axes, ...axes];
    const found = new Map<string, Split>();
    const offer = (bounds: readonly number[]) => {
      const extended = canonicalSplit(m, { axes: all, bounds }, size);
      found.set(printSplit(extended), extended);
    };
    const refines = (s: Split) => sameNumbers(coarseBounds(m, s, size, split.axes.length), base);
    if (startsWith(wanted.axes, all)) {
      const bounds = coarseBounds(m, wanted, size, all.length);
      if (refines({ axes: all, bounds })) offer(bounds);
    }
    if (!split.bounds) offer(evenBounds(size, axesSize(m, all)));
    else offer(cutEvenly(base, axesSize(m, axes)));
    return [...found.values()];
  }

  /** Per factor, the axes by which the target continues the present split, as far as `allowed` has them. */
  continuations(allowed: readonly AxisName[]): readonly { factor: Factor; axes: readonly AxisName[] }[] {
    return this.factors.flatMap((factor) => {
      const [split, wanted] = [this.split(factor), this.wanted(factor)];
      if (!startsWith(wanted.axes, split.axes)) return [];
      const rest = wanted.axes.slice(split.axes.length);
      const stop = rest.findIndex((axis) => !allowed.includes(axis));
      const axes = stop < 0 ? rest : rest.slice(0, stop);
      return axes.length > 0 ? [{ factor, axes }] : [];
    });
  }
}

function* slices(site: Site): Generator<Move> {
  const all = site.continuations(site.free);
  if (all.length > 0) {
    const changed = new Map(all.map(({ factor, axes }) => [factor.name, site.extensions(factor, axes)[0]]));
    yield site.move(
      'slice',
      all.flatMap(({ axes }) => axes),
      changed,
    );
  }
  for (const axis of site.free) {
    for (const factor of site.factors) {
      if (!site.wanted(factor).axes.includes(axis)) continue;
      for (const split of site.extensions(factor, [axis])) {
        yield site.move('slice', [axis], new Map([[factor.name, split]]));
      }
    }
  }
}

function* masks(site: Site): Generator<Move> {
  const reduction = reductionOf(site.target);
  if (!reduction || mixes(site.from, reduction)) return;
  const axes = site.free.filter((axis) => site.target.partial[axis]);
  if (axes.length > 0) yield site.move('mask', axes, new Map(), site.partialWith(axes, reduction), reduction);
}

function* pads(site: Site): Generator<Move> {
  const reduction = reductionOf(site.target);
  if (!reduction || mixes(site.from, reduction)) return;
  for (const factor of site.factors) {
    const { axes } = site.split(factor);
    for (let kept = axes.length - 1; kept >= 0 && site.target.partial[axes[kept]]; kept--) {
      const gone = axes.slice(kept);
      const changed = new Map([[factor.name, shortened(site, factor, kept)]]);
      yield site.move('pad', gone, changed, site.partialWith(gone, reduction), reduction);
    }
  }
}

function* allGathers(site: Site): Generator<Move> {
  for (const factor of site.factors) {
    const { axes } = site.split(factor);
    for (let kept = axes.length - 1; kept >= 0; kept--) {
      yield site.move('all_gather', axes.slice(kept), new Map([[factor.name, shortened(site, factor, kept)]]));
    }
  }
  // All that the target does not continue, of several factors in one collective.
  const changed = new Map<FactorName, Split>();
  const gone: AxisName[] = [];
  for (const factor of site.factors) {
    const { axes } = site.split(factor);
    const kept = agreement(site, factor);
    if (kept === axes.length) continue;
    gone.push(...axes.slice(kept));
    changed.set(factor.name, shortened(site, factor, kept));
  }
  if (changed.size > 1) yield site.move('all_gather', gone, changed);
}

function* allReduces(site: Site): Generator<Move> {
  const reduction = reductionOf(site.from);
  if (!reduction) return;
  for (const axes of subsets(site.partial)) {
    yield site.move('all_reduce', axes, new Map(), site.partialWithout(axes), reduction);
  }
}

function* reduceScatters(site: Site): Generator<Move> {
  const reduction = reductionOf(site.from);
  if (!reduction) return;
  const scatter = (parts: readonly { factor: Factor; axes: readonly AxisName[]; split: Split }[]) => {
    const axes = parts.flatMap((part) => part.axes);
    const changed = new Map(parts.map(({ factor, split }) => [factor.name, split]));
    return site.move('reduce_scatter', axes, changed, site.partialWithout(axes), reduction);
  };
  for (const axis of site.partial) {
    for (const factor of site.factors) {
      if (!site.wanted(factor).axes.includes(axis)) continue;
      for (const split of site.extensions(factor, [axis])) yield scatter([{ factor, axes: [axis], split }]);
    }
  }
  for (const run of prefixes(site.continuations(site.partial))) {
    if (run.reduce((n, part) => n + part.axes.length, 0) < 2) continue;
    yield scatter(run.map(({ factor, axes }) => ({ factor, axes, split: site.extensions(factor, axes)[0] })));
  }
}

function* permutes(site: Site): Generator<Move> {
  const { m, from, target } = site;
  // Two axes of equal size exchange their roles, where that brings one of them home.
  const axes = m.axes.filter((axis) => axis.size > 1);
  for (const [i, a] of axes.entries()) {
    for (const b of axes.slice(i + 1)) {
      if (a.size !== b.size || roleOf(from, a.name) === roleOf(from, b.name)) continue;
      const home = roleOf(from, b.name) === roleOf(target, a.name) || roleOf(from, a.name) === roleOf(target, b.name);
      if (home) yield exchanged(site, a.name, b.name);
    }
  }
  // The axes of one split in another order: as the target has them, or with one that has to leave innermost.
  for (const factor of site.factors) {
    const split = site.split(factor);
    const wanted = site.wanted(factor).axes;
    const orders = split.axes.slice(0, -1).map((axis) => [...split.axes.filter((other) => other !== axis), axis]);
    if (wanted.length === split.axes.length && wanted.every((axis) => split.axes.includes(axis)))
      orders.push([...wanted]);
    for (const order of orders) {
      const moved = order.filter((axis, i) => axis !== split.axes[i]);
      const lowest = order.findIndex((axis, i) => axis !== split.axes[i]);
      if (moved.length === 0) continue;
      const changed = new Map([[factor.name, { axes: order, bounds: split.bounds }]]);
      yield site.move('permute', split.axes.slice(lowest), changed);
    }
  }
}

/** Of splits that are turned, and not as the target has them: to where they belong, or straight where they are to go on. */
function* turnsBack(site: Site): Generator<Move> {
  for (const factor of site.factors) {
    const split = site.split(factor);
    const target = site.target.splits[factor.name] ?? whole;
    if (turnOf(split) === 0) continue;
    yield site.turnTo(factor, isTurnOf(split, target) ? turnOf(target) : 0);
  }
}

/** Of straight splits, to the target's turn. */
function* turns(site: Site): Generator<Move> {
  for (const factor of site.factors) {
    const target = site.target.splits[factor.name] ?? whole;
    if (turnOf(target) !== 0 && isTurnOf(site.split(factor), target)) yield site.turnTo(factor, turnOf(target));
  }
}

const isTurnOf = (a: Split, b: Split): boolean => printSplit({ ...a, turn: 0 }) === printSplit({ ...b, turn: 0 });

function* allToAlls(site: Site): Generator<Move> {
  for (const factor of site.factors) {
    const split = site.split(factor);
    // A suffix of the split's axes goes where the target wants it.
    for (let kept = split.axes.length - 1; kept >= 0; kept--) {
      const axes = split.axes.slice(kept);
      for (const other of site.factors) {
        if (other === factor || !axes.every((axis) => site.wanted(other).axes.includes(axis))) continue;
        for (const extended of site.extensions(other, axes)) {
          const changed = new Map([
            [factor.name, shortened(site, factor, kept)],
            [other.name, extended],
          ]);
          yield site.move('all_to_all', axes, changed);
        }
      }
    }
    // The same axes with the target's bounds.
    const wanted = site.wanted(factor);
    if (split.axes.length > 0 && startsWith(wanted.axes, split.axes)) {
      const kept = agreement(site, factor);
      if (kept < split.axes.length) {
        const bounds = coarseBounds(site.m, wanted, factor.size, split.axes.length);
        yield site.move('all_to_all', split.axes.slice(kept), new Map([[factor.name, { axes: split.axes, bounds }]]));
      }
    }
  }
  yield* directly(site);
}

/** All splits of the target in one exchange, whatever it takes: where nothing simpler does, and nothing partial stands in the way. */
function* directly(site: Site): Generator<Move> {
  const changed = new Map<FactorName, Split>();
  const axes = new Set<AxisName>();
  let exchanges = false;
  for (const factor of site.factors) {
    const [split, wanted] = [site.split(factor), site.wanted(factor)];
    if (printSplit(split) === printSplit(wanted)) continue;
    const kept = agreement(site, factor);
    for (const axis of [...split.axes.slice(kept), ...wanted.axes.slice(kept)]) axes.add(axis);
    changed.set(factor.name, wanted);
    if (kept < split.axes.length) exchanges = true;
  }
  if (exchanges && site.partial.every((axis) => !axes.has(axis))) yield site.move('all_to_all', [...axes], changed);
}

function exchanged(site: Site, a: AxisName, b: AxisName): Move {
  const other = (axis: AxisName) => (axis === a ? b : axis === b ? a : axis);
  const changed = new Map<FactorName, Split>();
  for (const factor of site.factors) {
    const split = site.split(factor);
    if (split.axes.includes(a) || split.axes.includes(b)) {
      changed.set(factor.name, { axes: split.axes.map(other), bounds: split.bounds });
    }
  }
  const partial = Object.fromEntries(Object.entries(site.from.partial).map(([axis, r]) => [other(axis), r]));
  return site.move('permute', [a, b], changed, partial);
}

/** How many axes of a factor's split the target has as well, in place and with the same bounds. */
function agreement(site: Site, factor: Factor): number {
  const [split, wanted] = [site.split(factor), site.wanted(factor)];
  let kept = 0;
  while (
    kept < split.axes.length &&
    split.axes[kept] === wanted.axes[kept] &&
    ((!split.bounds && !wanted.bounds) ||
      sameNumbers(
        coarseBounds(site.m, split, factor.size, kept + 1),
        coarseBounds(site.m, wanted, factor.size, kept + 1),
      ))
  ) {
    kept++;
  }
  return kept;
}

/** A split without its axes from position `kept` on. */
function shortened(site: Site, factor: Factor, kept: number): Split {
  const split = site.split(factor);
  const axes = split.axes.slice(0, kept);
  return split.bounds ? { axes, bounds: coarseBounds(site.m, split, factor.size, kept) } : { axes };
}

/**
 * The least that any rank keeps of one factor between two layouts; 0 where that is not easily told. Of a factor whose split stays it is the
 * largest part, as for the blocks that it is taken from: a search may then leave the factor out.
 */
function smallestOverlap(m: Mesh, { name, size }: Factor, from: Layout, to: Layout): number {
  const [a, b] = [from.splits[name] ?? whole, to.splits[name] ?? whole];
  if (printSplit(a) === printSplit(b)) return largestPart(m, a, size);
  const [long, short] = a.axes.length >= b.axes.length ? [a, b] : [b, a];
  if (!startsWith(long.axes, short.axes)) return 0;
  const parts = axesSize(m, long.axes);
  if (!long.bounds && !short.bounds) return Math.floor(size / parts);
  const [fine, coarse] = [boundsOf(m, long, size), boundsOf(m, short, size)];
  const ratio = parts / (coarse.length - 1);
  let least = size;
  for (let i = 0; i < parts; i++) {
    const j = Math.floor(i / ratio);
    least = Math.min(least, Math.max(0, Math.min(fine[i + 1], coarse[j + 1]) - Math.max(fine[i], coarse[j])));
  }
  return least;
}

/** What an axis does in a layout: the factor that it splits, `|sum`, `|max`, or `free`. */
function roleOf(layout: Layout, axis: AxisName): string {
  const reduction = layout.partial[axis];
  if (reduction) return `|${reduction}`;
  for (const [name, split] of Object.entries(layout.splits)) if (split.axes.includes(axis)) return name;
  return 'free';
}

const mixes = (layout: Layout, reduction: Reduction): boolean => (reductionOf(layout) ?? reduction) !== reduction;

const inMeshOrder = (m: Mesh, axes: readonly AxisName[]): readonly AxisName[] =>
  axes.length < 2 ? axes : m.axes.filter((axis) => axes.includes(axis.name)).map((axis) => axis.name);

const startsWith = (axes: readonly AxisName[], prefix: readonly AxisName[]): boolean =>
  prefix.length <= axes.length && prefix.every((axis, i) => axes[i] === axis);

const sameNumbers = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i]);

/** Every subset that is not empty, small ones last: one joint collective is the first candidate. */
function subsets<T>(items: readonly T[]): readonly (readonly T[])[] {
  const all: T[][] = [];
  for (let bits = 2 ** items.length - 1; bits > 0; bits--) all.push(items.filter((_, i) => (bits >> i) & 1));
  return all;
}

/** Every choice of a prefix (maybe none) of each run. */
function prefixes(
  runs: readonly { factor: Factor; axes: readonly AxisName[] }[],
): readonly (readonly { factor: Factor; axes: readonly AxisName[] }[])[] {
  if (runs.length === 0) return [[]];
  const [{ factor, axes }, ...others] = runs;
  return prefixes(others).flatMap((tail) =>
    Array.from({ length: axes.length + 1 }, (_, n) => (n === 0 ? tail : [{ factor, axes: axes.slice(0, n) }, ...tail])),
  );
}

const whole: Split = { axes: [] };
