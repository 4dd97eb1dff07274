/**
 * Layouts: how a global value lies over a mesh.
 *
 *   layout ::= '{' [split (', ' split)*] [' | ' partial (', ' partial)*] '}'
 *   split  ::= factor ':' axis ('*' axis)* ['[' bound (',' bound)* ']'] ['~' turn]      major axis first; bounds where uneven
 *   partial::= ('sum' | 'max') ':' axis
 *
 *   {batch:data, heads:tensor.0*tensor.1 | sum:context}      {batch:data[0,3,8]}      {sequence:context~1}
 *
 * A split may be turned: the rank in place i has part (i + turn) mod parts, as after so many hops round a ring.
 * Replicated over every axis that is not named. An axis is named at most once: it has one role. A value that is partial over an axis
 * is the sum (or maximum) of the blocks of the ranks along it.
 */
import {
  axesSize,
  axisSize,
  coordinatesAlong,
  hasAxis,
  partIndex,
  type AxisName,
  type Coordinates,
  type Mesh,
} from './mesh.js';
import { factorsOf, resize, type FactorName, type TensorType } from './type.js';

export type Reduction = 'sum' | 'max';

/**
 * A factor cut over axes, major first. `bounds` has parts + 1 entries; absent means even: part i is [⌊i·n/k⌋, ⌊(i+1)·n/k⌋). The rank in
 * place i along the axes has part (i + `turn`) mod parts; absent means i.
 */
export interface Split {
  readonly axes: readonly AxisName[];
  readonly bounds?: readonly number[];
  readonly turn?: number;
}

export interface Layout {
  readonly splits: Readonly<Record<FactorName, Split>>;
  readonly partial: Readonly<Record<AxisName, Reduction>>;
}

export const replicated: Layout = { splits: {}, partial: {} };

/** The one reduction of a layout's partial axes; null where it has none. Sums of maxima are not maxima of sums: a layout never mixes. */
export const reductionOf = (layout: Layout): Reduction | null => Object.values(layout.partial)[0] ?? null;

/** The number that changes nothing in a reduction: what ranks outside a partial value's first hold. */
export const neutralOf = (reduction: Reduction): number => (reduction === 'sum' ? 0 : -Infinity);

/** Where part `i` of an even cut begins. */
const evenBound = (size: number, parts: number, i: number): number => Math.floor((i * size) / parts);

export const evenBounds = (size: number, parts: number): readonly number[] =>
  Array.from({ length: parts + 1 }, (_, i) => evenBound(size, parts, i));

/** Every part cut evenly into `parts`. */
export function cutEvenly(bounds: readonly number[], parts: number): readonly number[] {
  const cut = [bounds[0]];
  for (let i = 1; i < bounds.length; i++) {
    for (const b of evenBounds(bounds[i] - bounds[i - 1], parts).slice(1)) cut.push(bounds[i - 1] + b);
  }
  return cut;
}

/** The boundaries of a split of a factor of `size` elements. */
export const boundsOf = (m: Mesh, split: Split, size: number): readonly number[] =>
  split.bounds ?? evenBounds(size, axesSize(m, split.axes));

/** The boundaries of a split's parts along its first `axes` axes: its cut before the later axes refine it. */
export function coarseBounds(m: Mesh, split: Split, size: number, axes: number): readonly number[] {
  if (axes === 0) return [0, size];
  const bounds = boundsOf(m, split, size);
  const step = axesSize(m, split.axes.slice(axes));
  return step === 1 ? bounds : bounds.filter((_, i) => i % step === 0);
}

/** A split in canonical form: bounds only where they differ from even, a turn only where there is one. */
export function canonicalSplit(m: Mesh, split: Split, size: number): Split {
  if (split.turn !== undefined) {
    const parts = axesSize(m, split.axes);
    const { turn, ...straight } = split;
    const rest = remainder(turn, parts);
    const canonical = canonicalSplit(m, straight, size);
    return rest === 0 ? canonical : { ...canonical, turn: rest };
  }
  if (!split.bounds) return split.axes.length === 0 ? whole : split;
  const even = evenBounds(size, axesSize(m, split.axes));
  return split.bounds.every((b, i) => b === even[i]) ? { axes: split.axes } : split;
}

/** A split turned by so many parts more. */
export const turned = (split: Split, by: number): Split => (by === 0 ? split : { ...split, turn: turnOf(split) + by });

export const turnOf = ({ turn = 0 }: Split): number => turn;

/** The part of a split that the rank at `at` has. */
export function partAt(m: Mesh, { axes, turn }: Split, at: Coordinates): number {
  const place = partIndex(m, axes, at);
  return turn === undefined ? place : remainder(place + turn, axesSize(m, axes));
}

/** The coordinates along a split's axes of the rank that has a part: what {@link partAt} gives. */
export const placeOf = (m: Mesh, split: Split, part: number): Coordinates =>
  coordinatesAlong(m, split.axes, remainder(part - turnOf(split), axesSize(m, split.axes)));

const remainder = (a: number, n: number): number => ((a % n) + n) % n;

/** A layout in canonical form: no empty splits, no even bounds spelled out, factors in the type's order, axes of size 1 dropped. */
export function canonicalLayout(m: Mesh, type: TensorType, layout: Layout): Layout {
  if (isCanonical(m, type, layout)) return layout;
  const splits: Record<FactorName, Split> = {};
  for (const dim of type.dims) {
    for (const { name, size } of dim) {
      const split = layout.splits[name];
      if (!split) continue;
      const axes = split.axes.filter((axis) => axisSize(m, axis) > 1);
      if (axes.length > 0) splits[name] = canonicalSplit(m, { ...split, axes }, size);
    }
  }
  const partial: Record<AxisName, Reduction> = {};
  for (const { name, size } of m.axes) if (layout.partial[name] && size > 1) partial[name] = layout.partial[name];
  return { splits, partial };
}

/** Most layouts that are asked about are in canonical form: they are found so without making another. */
function isCanonical(m: Mesh, type: TensorType, { splits, partial }: Layout): boolean {
  const names = Object.keys(splits);
  let found = 0;
  for (const dim of type.dims) {
    for (const { name, size } of dim) {
      if (found === names.length || name !== names[found]) continue;
      const split = splits[name];
      if (split.axes.length === 0 || split.axes.some((axis) => axisSize(m, axis) === 1)) return false;
      if (split.turn === 0) return false;
      if ((split.bounds || split.turn) && !sameSplit(canonicalSplit(m, split, size), split)) return false;
      found++;
    }
  }
  const axes = Object.keys(partial);
  let summed = 0;
  for (const { name, size } of m.axes) if (size > 1 && name === axes[summed]) summed++;
  return found === names.length && summed === axes.length;
}

/** Every axis a layout uses, splits first. In a legal layout none occurs twice. */
export const axesUsed = (layout: Layout): readonly AxisName[] => [
  ...Object.values(layout.splits).flatMap((split) => split.axes),
  ...Object.keys(layout.partial),
];

/** What is illegal about a layout of `type` on `m`, in words; null where it is legal. Axes that the mesh lacks have size 1 there. */
export function layoutFault(m: Mesh, type: TensorType, layout: Layout): string | null {
  const used = axesUsed(layout);
  const twice = used.find((axis, i) => used.indexOf(axis) !== i);
  if (twice !== undefined) return `axis '${twice}' has two roles`;
  const reductions = new Set(Object.values(layout.partial));
  if (reductions.size > 1) return 'it is partial by sum over one axis and by max over another';
  for (const [name, split] of Object.entries(layout.splits)) {
    const factor = factorsOf(type).find((f) => f.name === name);
    if (!factor) return `the type has no factor '${name}'`;
    if (split.bounds) {
      const fault = boundsFault(split.bounds, axesSize(m, split.axes), factor.size);
      if (fault) return `the bounds of '${name}' ${fault}`;
    }
    if (!Number.isInteger(turnOf(split))) return `'${name}' is turned by ${split.turn}`;
  }
  return null;
}

/** As {@link layoutFault}, of a layout that names no axis but the mesh's own. */
export function ownLayoutFault(m: Mesh, type: TensorType, layout: Layout): string | null {
  const foreign = axesUsed(layout).find((axis) => !hasAxis(m, axis));
  return foreign === undefined ? layoutFault(m, type, layout) : `the mesh has no axis '${foreign}'`;
}

function boundsFault(bounds: readonly number[], parts: number, size: number): string | null {
  if (bounds.length !== parts + 1) return `make ${bounds.length - 1} parts for ${parts} ranks`;
  if (bounds[0] !== 0 || bounds[parts] !== size)
    return `run from ${bounds[0]} to ${bounds[parts]}, not from 0 to ${size}`;
  return bounds.every((b, i) => Number.isInteger(b) && (i === 0 || b >= bounds[i - 1])) ? null : 'decrease';
}

/** Where part `part` of a split begins: one of `boundsOf`, without the others. */
export const boundAt = (m: Mesh, { axes, bounds }: Split, size: number, part: number): number =>
  bounds ? bounds[part] : evenBound(size, axesSize(m, axes), part);

/** The half-open range of a factor that the rank at `at` holds. */
export function rangeOf(m: Mesh, split: Split | undefined, size: number, at: Coordinates): readonly [number, number] {
  if (!split || split.axes.length === 0) return [0, size];
  const part = partAt(m, split, at);
  return [boundAt(m, split, size, part), boundAt(m, split, size, part + 1)];
}

/** The block of a value that the rank at `at` holds: one range a factor, in the type's order. */
export function tileOf(
  m: Mesh,
  type: TensorType,
  layout: Layout,
  at: Coordinates,
): readonly (readonly [number, number])[] {
  return factorsOf(type).map(({ name, size }) => rangeOf(m, layout.splits[name], size, at));
}

/** True where every rank's block has the same sizes. */
export function splitsEvenly(m: Mesh, type: TensorType, layout: Layout): boolean {
  return factorsOf(type).every(({ name, size }) => {
    const split = layout.splits[name];
    if (!split) return true;
    const { bounds } = split;
    if (!bounds) return size % axesSize(m, split.axes) === 0;
    return bounds.every((bound, i) => i === 0 || bound - bounds[i - 1] === bounds[1] - bounds[0]);
  });
}

/** The local type: the block's sizes at `at`. */
export function localType(m: Mesh, type: TensorType, layout: Layout, at: Coordinates): TensorType {
  return resize(type, ({ name, size }) => {
    const [from, to] = rangeOf(m, layout.splits[name], size, at);
    return to - from;
  });
}

/** The largest block of any rank, in elements: what buffers are sized and transfers priced by. */
export function largestBlock(m: Mesh, type: TensorType, layout: Layout): number {
  let elements = 1;
  for (const dim of type.dims) for (const { name, size } of dim) elements *= largestPart(m, layout.splits[name], size);
  return elements;
}

export function largestPart(m: Mesh, split: Split | undefined, size: number): number {
  if (!split || split.axes.length === 0) return size;
  if (!split.bounds) return Math.ceil(size / axesSize(m, split.axes));
  let largest = 0;
  for (let i = 1; i < split.bounds.length; i++) largest = Math.max(largest, split.bounds[i] - split.bounds[i - 1]);
  return largest;
}

export function printSplit(split: Split): string {
  const bounds = split.bounds ? `[${split.bounds.join(',')}]` : '';
  return split.axes.join('*') + bounds + (split.turn ? `~${split.turn}` : '');
}

/** Prints a layout; factors in the order of `type` where one is given. Equal canonical layouts print equally: the text is the key. */
export function printLayout(layout: Layout, type?: TensorType): string {
  const order = type ? factorsOf(type).map((f) => f.name) : Object.keys(layout.splits).sort();
  const splits = order
    .filter((name) => (layout.splits[name]?.axes.length ?? 0) > 0)
    .map((name) => `${name}:${printSplit(layout.splits[name])}`);
  const partial = Object.keys(layout.partial)
    .sort()
    .map((axis) => `${layout.partial[axis]}:${axis}`);
  return `{${splits.join(', ')}${partial.length > 0 ? `${splits.length > 0 ? ' ' : ''}| ${partial.join(', ')}` : ''}}`;
}

/** True where two layouts print equally. */
export function sameLayout(a: Layout, b: Layout): boolean {
  if (a === b) return true;
  const partial = Object.keys(a.partial);
  return (
    partial.length === Object.keys(b.partial).length &&
    partial.every((axis) => a.partial[axis] === b.partial[axis]) &&
    Object.keys(a.splits).every((name) => sameSplit(a.splits[name], b.splits[name])) &&
    Object.keys(b.splits).every((name) => name in a.splits || b.splits[name].axes.length === 0)
  );
}

/** Over no axes a split is like none. */
function sameSplit(a: Split, b: Split = whole): boolean {
  if (a === b || (a.axes.length === 0 && b.axes.length === 0)) return true;
  if (!sameList(a.axes, b.axes) || turnOf(a) !== turnOf(b)) return false;
  return a.bounds === b.bounds || sameList(a.bounds ?? [], b.bounds ?? []);
}

const sameList = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((one, i) => one === b[i]);

/** Reads what {@link printSplit} writes; null where it is no split. */
export function parseSplit(text: string): Split | null {
  const match = /^([\w.]+(?:\*[\w.]+)*)(?:\[(\d+(?:,\d+)*)\])?(?:~(\d+))?$/.exec(text);
  if (!match) return null;
  const [, axes, bounds, turn] = match;
  return {
    axes: axes.split('*'),
    ...(bounds && { bounds: bounds.split(',').map(Number) }),
    ...(turn && { turn: Number(turn) }),
  };
}

/** Reads what {@link printLayout} writes. */
export function parseLayout(text: string): Layout {
  const body = text.trim().replace(/^\{|\}$/g, '');
  const [left, right = ''] = body.includes('|') ? body.split('|') : [body];
  const splits: Record<FactorName, Split> = {};
  for (const part of left
    .split(/,(?![^[]*\])/)
    .map((p) => p.trim())
    .filter(Boolean)) {
    const [, factor, of] = /^([\w.]+'*):(.*)$/.exec(part) ?? [];
    const split = of === undefined ? null : parseSplit(of);
    if (!split) throw new Error(`not a split: '${part}' in '${text}'`);
    splits[factor] = split;
  }
  const partial: Record<AxisName, Reduction> = {};
  for (const part of right
    .split(',')
    .map((p) => p.trim())
    .filter(Boolean)) {
    const match = /^(sum|max):([\w.]+)$/.exec(part);
    if (!match) throw new Error(`not a partial axis: '${part}' in '${text}'`);
    partial[match[2]] = match[1] as Reduction;
  }
  return { splits, partial };
}

const whole: Split = { axes: [] };
