/** Device meshes: a named grid of ranks. An axis may be a product, written as atoms `tensor.0`, `tensor.1`. */
import { unknownAxis } from './diagnostics.js';

export type AxisName = string;
/** A rank's place in its mesh: one index an axis. */
export type Coordinates = Readonly<Record<AxisName, number>>;

export interface Mesh {
  /** Axes in order, major first: rank = row-major index of the coordinates. */
  readonly axes: readonly { readonly name: AxisName; readonly size: number }[];
}

export const mesh = (sizes: Readonly<Record<AxisName, number>>): Mesh => ({
  axes: Object.entries(sizes).map(([name, size]) => ({ name, size })),
});

export const meshRanks = (m: Mesh): number => m.axes.reduce((n, axis) => n * axis.size, 1);

export const hasAxis = (m: Mesh, name: AxisName): boolean => m.axes.some((axis) => axis.name === name);

/** Throws `ir/unknown-axis`. */
export function axisSize(m: Mesh, name: AxisName): number {
  for (const axis of m.axes) if (axis.name === name) return axis.size;
  throw unknownAxis({ axis: name, has: m.axes.map((axis) => axis.name) });
}

/** Ranks along a product of axes: the number of parts of a split over them. */
export function axesSize(m: Mesh, axes: readonly AxisName[]): number {
  let size = 1;
  for (const axis of axes) size *= axisSize(m, axis);
  return size;
}

/** The coordinates of a rank of the mesh (0-based within the mesh). */
export const coordinatesOf = (m: Mesh, rank: number): Coordinates =>
  coordinatesAlong(
    m,
    m.axes.map(({ name }) => name),
    rank,
  );

export const rankAt = (m: Mesh, at: Coordinates): number =>
  m.axes.reduce((rank, axis) => rank * axis.size + indexAlong(m, at, axis.name), 0);

/** The index of a rank among the parts of a split over `axes`, major first. */
export const partIndex = (m: Mesh, axes: readonly AxisName[], at: Coordinates): number =>
  axes.reduce((index, name) => index * axisSize(m, name) + indexAlong(m, at, name), 0);

/** The coordinates on these axes of the part with this index: what {@link partIndex} counts. */
export function coordinatesAlong(m: Mesh, axes: readonly AxisName[], index: number): Coordinates {
  const at: Record<AxisName, number> = {};
  for (let i = axes.length - 1, rest = index; i >= 0; i--) {
    const size = axisSize(m, axes[i]);
    at[axes[i]] = rest % size;
    rest = Math.floor(rest / size);
  }
  return at;
}

function indexAlong(m: Mesh, at: Coordinates, name: AxisName): number {
  const index = at[name];
  if (index === undefined) throw unknownAxis({ axis: name, has: m.axes.map((axis) => axis.name) });
  return index;
}

/** The first rank of {@link groupOf}: it tells the group. */
export const leaderOf = (m: Mesh, axes: readonly AxisName[], at: Coordinates): number =>
  rankAt(m, { ...at, ...Object.fromEntries(axes.map((axis) => [axis, 0])) });

/** The ranks that differ from `at` only along `axes`, ordered by {@link partIndex}: the members of a collective's group. */
export function groupOf(m: Mesh, axes: readonly AxisName[], at: Coordinates): readonly number[] {
  return Array.from({ length: axesSize(m, axes) }, (_, part) =>
    rankAt(m, { ...at, ...coordinatesAlong(m, axes, part) }),
  );
}

export const printMesh = (m: Mesh): string => `{${m.axes.map((a) => `${a.name}: ${a.size}`).join(', ')}}`;

export function parseMesh(text: string): Mesh {
  const body = text
    .trim()
    .replace(/^mesh\s*/, '')
    .replace(/^\{|\}$/g, '')
    .trim();
  return {
    axes: body
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean)
      .map((part) => {
        const match = /^([\w.]+):\s*(\d+)$/.exec(part);
        if (!match) throw new Error(`not a mesh axis: '${part}'`);
        return { name: match[1], size: Number(match[2]) };
      }),
  };
}
