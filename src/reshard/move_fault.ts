/**
 * What a move may be, by what its kind means (the table in `moves.ts`) and not by how moves are found: the checkers of placements and of
 * programs ask here, so that a fault of the search is none of theirs.
 */
import {
  boundsOf,
  coarseBounds,
  ownLayoutFault,
  printLayout,
  printSplit,
  turnOf,
  type Layout,
  type Split,
} from '../ir/layout.js';
import { axesSize, type AxisName, type Mesh } from '../ir/mesh.js';
import { factorsOf, type Factor, type TensorType } from '../ir/type.js';
import type { Move } from './moves.js';

/** Why a move of a value of `type` is none that keeps the value, in words; null where it is sound. Layouts are canonical. */
export function moveFault(m: Mesh, type: TensorType, move: Move): string | null {
  const { from, to, axes, factors } = move;
  for (const layout of [from, to]) {
    const fault = ownLayoutFault(m, type, layout);
    if (fault) return fault;
  }
  const meshOrder = m.axes.map(({ name }) => name).filter((axis) => axes.includes(axis));
  if (axes.length === 0 || String(axes) !== String(meshOrder)) return `its group is along [${axes.join(', ')}]`;
  const sides = factorsOf(type).map((factor) => ({ factor, from: splitOf(from, factor), to: splitOf(to, factor) }));
  const changed = sides.filter((side) => printSplit(side.from) !== printSplit(side.to));
  const names = changed.map(({ factor }) => factor.name).sort();
  if (String([...factors].sort()) !== String(names)) return `it says that [${factors.join(', ')}] change`;
  if (new MoveMeaning(m, move, sides).fits()) return null;
  return `${move.kind} does not lead from ${printLayout(from)} to ${printLayout(to)}`;
}

interface Side {
  readonly factor: Factor;
  readonly from: Split;
  readonly to: Split;
}

class MoveMeaning {
  private readonly m: Mesh;
  private readonly move: Move;
  private readonly sides: readonly Side[];

  constructor(m: Mesh, move: Move, sides: readonly Side[]) {
    this.m = m;
    this.move = move;
    this.sides = sides;
  }

  /** How many splits change. */
  private get changes(): number {
    return this.sides.filter(({ from, to }) => printSplit(from) !== printSplit(to)).length;
  }

  fits(): boolean {
    const turnsOrStays = ({ from, to }: Side) =>
      printSplit(from) === printSplit(to) || (turnOf(from) === 0 && turnOf(to) === 0);
    if (this.move.kind !== 'permute' && !this.sides.every(turnsOrStays)) return false;
    switch (this.move.kind) {
      case 'all_gather':
        return this.coarsens() && this.partialStays();
      case 'slice':
        return this.refines() && this.partialStays();
      case 'reduce_scatter':
        return this.refines() && this.partialLoses();
      case 'pad':
        return this.coarsens() && this.partialGains();
      case 'all_reduce':
        return this.splitsStay() && this.partialLoses();
      case 'mask':
        return this.splitsStay() && this.partialGains();
      case 'all_to_all':
        return this.exchanges() && this.partialStays();
      case 'permute':
        return this.permutes();
    }
  }

  /** Each split of the result, cut further by the axes of the move and no others, is that of the source. */
  private coarsens(): boolean {
    return this.cutsBy((side) => this.cutFurther(side.factor, side.to, side.from));
  }

  private refines(): boolean {
    return this.cutsBy((side) => this.cutFurther(side.factor, side.from, side.to));
  }

  private cutsBy(further: (side: Side) => readonly AxisName[] | null): boolean {
    const found = this.sides.map(further);
    return found.every((axes) => axes !== null) && this.areThoseOfTheMove(found.flat());
  }

  /** The axes by which `fine` cuts the parts of `coarse`; null where it does not. */
  private cutFurther({ size }: Factor, coarse: Split, fine: Split): readonly AxisName[] | null {
    const kept = coarse.axes.length;
    const same =
      String(fine.axes.slice(0, kept)) === String(coarse.axes) &&
      String(coarseBounds(this.m, fine, size, kept)) === String(boundsOf(this.m, coarse, size));
    return same ? fine.axes.slice(kept) : null;
  }

  private splitsStay(): boolean {
    return this.sides.every(({ from, to }) => printSplit(from) === printSplit(to));
  }

  private partialStays(): boolean {
    return partialText(this.move.from) === partialText(this.move.to) && this.move.reduction === undefined;
  }

  private partialLoses(): boolean {
    return this.isPartial(this.move.from, this.move.to);
  }

  private partialGains(): boolean {
    return this.isPartial(this.move.to, this.move.from);
  }

  /** `more` is `less`, and partial by the move's reduction over its axes besides. */
  private isPartial(more: Layout, less: Layout): boolean {
    const { axes, reduction } = this.move;
    const besides = Object.fromEntries(axes.map((axis) => [axis, reduction]));
    return (
      reduction !== undefined &&
      axes.every((axis) => !less.partial[axis]) &&
      partialText(more) === partialText({ splits: {}, partial: { ...less.partial, ...besides } } as Layout)
    );
  }

  /** Axes change the factor that they split, or bounds shift: whoever had a part of a rank's new block is in its group. */
  private exchanges(): boolean {
    const { axes, from } = this.move;
    const touched = this.sides.flatMap(({ factor: { size }, from, to }) => {
      let kept = 0;
      const agree = (n: number) =>
        n <= Math.min(from.axes.length, to.axes.length) &&
        from.axes[n - 1] === to.axes[n - 1] &&
        String(coarseBounds(this.m, from, size, n)) === String(coarseBounds(this.m, to, size, n));
      while (agree(kept + 1)) kept++;
      return [...from.axes.slice(kept), ...to.axes.slice(kept)];
    });
    return this.areThoseOfTheMove(touched) && axes.every((axis) => !from.partial[axis]);
  }

  /** Whole blocks change ranks: listed by what they do, the axes of the move count the same blocks before and after. */
  private permutes(): boolean {
    const { from, to, axes, reduction } = this.move;
    const moved = (axis: AxisName) => axes.includes(axis);
    const partial = (layout: Layout) => Object.keys(layout.partial);
    const stay = (layout: Layout) =>
      partialText({
        splits: {},
        partial: Object.fromEntries(Object.entries(layout.partial).filter(([a]) => !moved(a))),
      });
    return (
      reduction === undefined &&
      this.sides.every((side) => this.sameBlocks(side)) &&
      stay(from) === stay(to) &&
      new Set([...Object.values(from.partial), ...Object.values(to.partial)]).size <= 1 &&
      axesSize(this.m, partial(from).filter(moved)) === axesSize(this.m, partial(to).filter(moved))
    );
  }

  private sameBlocks({ factor: { size }, from, to }: Side): boolean {
    const { axes } = this.move;
    if (String(boundsOf(this.m, from, size)) !== String(boundsOf(this.m, to, size))) return false;
    // A ring turns by itself: no other block changes ranks beside.
    if (turnOf(from) !== turnOf(to))
      return String(from.axes) === String(to.axes) && this.areThoseOfTheMove(from.axes) && this.changes === 1;
    const first = from.axes.findIndex((axis, i) => axis !== to.axes[i]);
    if (first < 0) return to.axes.length === from.axes.length;
    const [before, after] = [from.axes.slice(first), to.axes.slice(first)];
    // The innermost axes in another order, or each axis in the place of one of its size.
    if ([...before, ...after].every((axis) => axes.includes(axis))) return true;
    return (
      before.length === after.length &&
      before.every((axis, i) => {
        const other = after[i];
        if (axis === other) return true;
        return axes.includes(axis) && axes.includes(other) && axesSize(this.m, [axis]) === axesSize(this.m, [other]);
      })
    );
  }

  private areThoseOfTheMove(axes: readonly AxisName[]): boolean {
    return String([...new Set(axes)].sort()) === String([...this.move.axes].sort());
  }
}

const splitOf = (layout: Layout, { name }: Factor): Split => layout.splits[name] ?? { axes: [] };

const partialText = ({ partial }: Layout): string => printLayout({ splits: {}, partial });
