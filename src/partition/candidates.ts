/**
 * Candidate assignments of one op: the plan's hint, what it inherits, and what each operand's layouts induce. Meaning and choice stay
 * apart: a candidate can be poor but never wrong, since a layout that an operand lacks is resharded into being.
 */
import type { Layout, Split } from '../ir/layout.js';
import { canonicalSplit, printSplit } from '../ir/layout.js';
import { axesSize, hasAxis, type AxisName, type Mesh } from '../ir/mesh.js';
import type { Assignment, OpRule } from '../ir/rule.js';
import type { FactorName } from '../ir/type.js';

export type Splits = Readonly<Record<FactorName, Split>>;

export interface CandidateOptions {
  readonly mesh: Mesh;
  readonly rule: OpRule;
  /** Whole factors may be split: the op has a decomposition. */
  readonly decomposable: boolean;
  /** Splits the plan fixes. */
  readonly hint: Splits | null;
  /** Splits of the op that this one differentiates or is a part of. */
  readonly inherited: Splits | null;
  /** Layouts in which each operand is there or can come, by the operand's own factor names. */
  readonly operands: readonly (readonly NamedLayout[])[];
  /**
   * Layouts in which the plan would have each result, by the result's own factor names: what an op goes by that has no operands, or
   * whose operands leave work to share.
   */
  readonly results: readonly NamedLayout[];
  /**
   * Axes over which the work is to be shared. Where no operand brings a split over them, the results' own are tried, and every factor
   * that is large enough; where there is none, the axes that results leave are dealt out among several.
   */
  readonly shared: readonly AxisName[];
}

interface NamedLayout {
  readonly layout: Layout;
  readonly names: readonly FactorName[];
}

/** Candidates for the splits alone. */
export function splitCandidates(options: CandidateOptions): readonly Splits[] {
  const { rule, operands, results } = options;
  const found = new Map<string, Splits>();
  const base = merge({}, options.hint ?? {}, options);
  const keep = (splits: Splits) => found.set(splitsKey(splits), splits);
  const induced = (i: number, v: number) => inducedSplits(rule, rule.operands[i], operands[i][v]);
  const withOthers = (splits: Splits, except: number) =>
    operands.reduce(
      (merged, versions, j) => (j === except || versions.length === 0 ? merged : merge(merged, induced(j, 0), options)),
      splits,
    );

  if (options.inherited) keep(withOthers(merge(base, options.inherited, options), -1));
  operands.forEach((versions, i) =>
    versions.slice(0, maxVersions).forEach((_, v) => keep(withOthers(merge(base, induced(i, v), options), i))),
  );
  const ofResults = (splits: Splits, only: (split: Split) => boolean) =>
    results.reduce(
      (merged, result, i) => merge(merged, inducedSplits(rule, rule.results[i], result, only), options),
      splits,
    );
  if (operands.length === 0) keep(ofResults(base, () => true));
  keep(base);
  const offered = [...found.values()];
  const used = new Set(offered.flatMap((splits) => Object.values(splits).flatMap(({ axes }) => axes)));
  const idle = options.shared.filter((axis) => !used.has(axis));
  if (idle.length === 0) return offered;
  for (const splits of offered) {
    const asPlanned = ofResults(withoutBegun(splits, idle, options), ({ axes }) =>
      axes.some((axis) => idle.includes(axis)),
    );
    keep(asPlanned);
    const together = splitOver(idle, splits, options);
    together.forEach(keep);
    if (together.length > 0) continue;
    const taken = new Set(Object.values(asPlanned).flatMap(({ axes }) => axes));
    const left = idle.filter((axis) => !taken.has(axis));
    dealOut(left, asPlanned, options).forEach(keep);
  }
  return [...found.values()];
}

/** The splits but for those that the plan would have go on over `axes`, in a result: positions over context ranks, and then over tensor ranks. */
function withoutBegun(splits: Splits, axes: readonly AxisName[], { rule, results }: CandidateOptions): Splits {
  const planned = results.flatMap((result, i) => Object.entries(inducedSplits(rule, rule.results[i], result)));
  const goesOn = (name: FactorName, { axes: begun }: Split) =>
    planned.some(
      ([factor, { axes: all }]) =>
        factor === name &&
        all.length > begun.length &&
        all.every((axis, i) => (i < begun.length ? axis === begun[i] : axes.includes(axis))),
    );
  return Object.fromEntries(Object.entries(splits).filter(([name, split]) => !goesOn(name, split)));
}

/** Each factor that has a part for every rank along `axes`, split over them too. */
function splitOver(axes: readonly AxisName[], splits: Splits, options: CandidateOptions): readonly Splits[] {
  return freeFactors(splits, options)
    .filter(({ size }) => size >= axesSize(options.mesh, axes))
    .map(({ name }) => merge(splits, { [name]: { axes } }, options));
}

/**
 * What {@link splitOver} cannot do with one factor: every way to give each of `axes` to a factor that has room for it, or to none. A sum
 * over two sequences of three tokens is shared by 2 × 2 ranks, though there are four of neither.
 */
function dealOut(axes: readonly AxisName[], splits: Splits, options: CandidateOptions): readonly Splits[] {
  const free = freeFactors(splits, options);
  let hands: readonly Splits[] = [{}];
  for (const axis of axes) {
    hands = hands.flatMap((hand) => [
      hand,
      ...free.flatMap(({ name, size }) => {
        const over = [...(hand[name]?.axes ?? []), axis];
        return size >= axesSize(options.mesh, over) ? [{ ...hand, [name]: { axes: over } }] : [];
      }),
    ]);
  }
  return hands.map((hand) => merge(splits, hand, options));
}

function freeFactors(splits: Splits, { rule }: CandidateOptions): readonly { name: FactorName; size: number }[] {
  return Object.entries(rule.factors).flatMap(([name, { size, whole, tied }]) =>
    whole || tied || splits[name] ? [] : [{ name, size }],
  );
}

/** For each split candidate: every way to let operands' partial sums through the op's linear sets. */
export function throughCandidates(options: CandidateOptions, splits: Splits): readonly Assignment[] {
  const { rule, operands } = options;
  const used = new Set(Object.values(splits).flatMap((split) => split.axes));
  const partial = new Set<AxisName>();
  for (const versions of operands) {
    for (const { layout } of versions) {
      for (const [axis, reduction] of Object.entries(layout.partial)) {
        if (reduction === 'sum' && !used.has(axis)) partial.add(axis);
      }
    }
  }
  let all: Record<AxisName, number>[] = [{}];
  for (const axis of partial) {
    const carries = rule.linear.flatMap((set, index) =>
      set.some((i) => operands[i].some((v) => v.layout.partial[axis] === 'sum')) ? [index] : [],
    );
    all = all.flatMap((through) => [through, ...carries.map((index) => ({ ...through, [axis]: index }))]);
  }
  return all.map((through) => ({ splits, through }));
}

/**
 * `base` with what `extra` adds where it is legal: no axis twice, no factor twice, bounds that fit. Of a split of which some axes are taken the
 * others are left: rows over two axes, of which one is to split experts.
 */
export function merge(base: Splits, extra: Splits, { mesh, rule, decomposable }: CandidateOptions): Splits {
  const merged: Record<FactorName, Split> = { ...base };
  const used = new Set(Object.values(merged).flatMap((split) => split.axes));
  for (const [name, split] of Object.entries(extra)) {
    const factor = rule.factors[name];
    if (!factor || factor.tied || merged[name] || (factor.whole && !decomposable)) continue;
    const left = split.axes.filter((axis) => hasAxis(mesh, axis) && !used.has(axis));
    const axes = factor.even ? evenAxes(mesh, left, factor.size) : left;
    if (axes.length === 0 || (factor.even && split.bounds)) continue;
    if (split.bounds && split.bounds[split.bounds.length - 1] !== factor.size) continue;
    const cut = canonicalSplit(mesh, axes.length === split.axes.length ? split : { axes }, factor.size);
    if (factor.parts !== undefined && (cut.bounds || axesSize(mesh, axes) !== factor.parts)) continue;
    merged[name] = cut;
    for (const axis of axes) used.add(axis);
  }
  return merged;
}

/** The most of these axes, from the first, whose ranks have equal parts of so many elements. */
function evenAxes(mesh: Mesh, axes: readonly AxisName[], size: number): readonly AxisName[] {
  const fit = axes.findLastIndex((_, i) => size % axesSize(mesh, axes.slice(0, i + 1)) === 0);
  return axes.slice(0, fit + 1);
}

/** What is split as another factor is, but of another size, asks for a split of that one. */
function inducedSplits(
  { factors }: OpRule,
  own: readonly FactorName[],
  version: NamedLayout,
  only: (split: Split) => boolean = () => true,
): Splits {
  const splits: Record<FactorName, Split> = {};
  version.names.forEach((name, k) => {
    const split = version.layout.splits[name];
    const { tied } = factors[own[k]];
    if (split && only(split)) splits[tied && factors[tied.to].even ? tied.to : own[k]] = straight(split);
  });
  return splits;
}

/** A turn belongs to the ring that asked for it. */
const straight = ({ turn: _, ...split }: Split): Split => split;

/** Equal for equal splits. */
export const splitsKey = (splits: Splits): string =>
  Object.entries(splits)
    .map(([name, split]) => `${name}:${printSplit(split)}`)
    .sort()
    .join(' ');

/** Enough in practice: a value has its own layout and a few reshards. */
const maxVersions = 4;
