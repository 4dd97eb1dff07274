/**
 * Layouts: how a global value lies over a mesh.
 *
 *   layout ::= '{' [split (', ' split)*] [' | ' partial (', ' partial)*] '}'
 *   split  ::= factor ':' axis ('*' axis)* ['[' bound (',' bound)* ']']      major axis first; bounds where uneven
 *   partial::= ('sum' | 'max') ':' axis
 *
 *   {batch:data, heads:tensor.0*tensor.1 | sum:context}      {batch:data[0,3,8]}
 *
 * Replicated over every axis that is not named. An axis is named at most once: it has one role. A value that is partial over an axis
 * is the sum (or maximum) of the blocks of the ranks along it.
 */
import { axesSize, partIndex, type AxisName, type Coordinates, type Mesh } from './mesh.js';
import { factorsOf, resize, type FactorName, type TensorType } from './type.js';

export type Reduction = 'sum' | 'max';

/** A factor cut over axes, major first. `bounds` has parts + 1 entries; absent means even: part i is [⌊i·n/k⌋, ⌊(i+1)·n/k⌋). */
export interface Split {
  readonly axes: readonly AxisName[];
  readonly bounds?: readonly number[];
}

export interface Layout {
  readonly splits: Readonly<Record<FactorName, Split>>;
  readonly partial: Readonly<Record<AxisName, Reduction>>;
}

export const replicated: Layout = { splits: {}, partial: {} };

export const evenBounds = (size: number, parts: number): readonly number[] =>
  Array.from({ length: parts + 1 }, (_, i) => Math.floor((i * size) / parts));

/** The boundaries of a split of a factor of `size` elements. */
export const boundsOf = (m: Mesh, split: Split, size: number): readonly number[] =>
  split.bounds ?? evenBounds(size, axesSize(m, split.axes));

/** A split in canonical form: bounds only where they differ from even. */
export function canonicalSplit(m: Mesh, split: Split, size: number): Split {
  if (!split.bounds) return split.axes.length === 0 ? whole : split;
  const even = evenBounds(size, axesSize(m, split.axes));
  return split.bounds.every((b, i) => b === even[i]) ? { axes: split.axes } : split;
}

/** A layout in canonical form: no empty splits, no even bounds spelled out, factors in the type's order, axes of size 1 dropped. */
export function canonicalLayout(m: Mesh, type: TensorType, layout: Layout): Layout {
  const splits: Record<FactorName, Split> = {};
  for (const { name, size } of factorsOf(type)) {
    const split = layout.splits[name];
    if (!split) continue;
    const axes = split.axes.filter((axis) => axesSize(m, [axis]) > 1);
    if (axes.length > 0) splits[name] = canonicalSplit(m, { axes, bounds: split.bounds }, size);
  }
  const partial: Record<AxisName, Reduction> = {};
  for (const { name, size } of m.axes) if (layout.partial[name] && size > 1) partial[name] = layout.partial[name];
  return { splits, partial };
}

/** Every axis a layout uses, splits first. In a legal layout none occurs twice. */
export const axesUsed = (layout: Layout): readonly AxisName[] => [
  ...Object.values(layout.splits).flatMap((split) => split.axes),
  ...Object.keys(layout.partial),
];

/** The half-open range of a factor that the rank at `at` holds. */
export function rangeOf(m: Mesh, split: Split | undefined, size: number, at: Coordinates): readonly [number, number] {
  if (!split || split.axes.length === 0) return [0, size];
  const bounds = boundsOf(m, split, size);
  const part = partIndex(m, split.axes, at);
  return [bounds[part], bounds[part + 1]];
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

/** The local type: the block's sizes at `at`. */
export function localType(m: Mesh, type: TensorType, layout: Layout, at: Coordinates): TensorType {
  return resize(type, ({ name, size }) => {
    const [from, to] = rangeOf(m, layout.splits[name], size, at);
    return to - from;
  });
}

/** The largest block of any rank, in elements: what buffers are sized and transfers priced by. */
export function largestBlock(m: Mesh, type: TensorType, layout: Layout): number {
  return factorsOf(type).reduce((elements, { name, size }) => elements * largestPart(m, layout.splits[name], size), 1);
}

export function largestPart(m: Mesh, split: Split | undefined, size: number): number {
  if (!split || split.axes.length === 0) return size;
  if (!split.bounds) return Math.ceil(size / axesSize(m, split.axes));
  let largest = 0;
  for (let i = 1; i < split.bounds.length; i++) largest = Math.max(largest, split.bounds[i] - split.bounds[i - 1]);
  return largest;
}

export function printSplit(split: Split): string {
  return split.axes.join('*') + (split.bounds ? `[${split.bounds.join(',')}]` : '');
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

export const sameLayout = (a: Layout, b: Layout): boolean => printLayout(a) === printLayout(b);

/** Reads what {@link printLayout} writes. */
export function parseLayout(text: string): Layout {
  const body = text.trim().replace(/^\{|\}$/g, '');
  const [left, right = ''] = body.includes('|') ? body.split('|') : [body];
  const splits: Record<FactorName, Split> = {};
  for (const part of left
    .split(/,(?![^[]*\])/)
    .map((p) => p.trim())
    .filter(Boolean)) {
    const match = /^([\w.]+'*):([\w.*]+)(?:\[([\d,]+)\])?$/.exec(part);
    if (!match) throw new Error(`not a split: '${part}' in '${text}'`);
    splits[match[1]] = { axes: match[2].split('*'), ...(match[3] ? { bounds: match[3].split(',').map(Number) } : {}) };
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
