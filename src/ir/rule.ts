/**
 * Rules: what an op says about its factors. Partitioner, reshard search, cost model and checker read rules and contain no op names.
 *
 * Soundness is one sentence: within one op a mesh axis has one role. It splits one factor, and what is tied to it, or carries a partial
 * value through one linear set.
 */
import { rangeOf, turned, type Layout, type Reduction, type Split } from './layout.js';
import type { AxisName, Coordinates, Mesh } from './mesh.js';
import type { FactorName } from './type.js';

export interface RuleFactor {
  /** Global size, in elements. */
  readonly size: number;
  /** The kernel needs it unsplit; where a plan splits it, the op's decomposition runs instead. */
  readonly whole?: true;
  /** It is split evenly into so many parts, or not at all. */
  readonly parts?: number;
  /** It is split into equal parts, or not at all: what is tied to it is of another size. */
  readonly even?: true;
  /** It is split as another factor is, and turned: part i of the other meets part i + `turn` of this one, and no other. */
  readonly tied?: { readonly to: FactorName; readonly turn: number };
}

/** A node's rule. Factor names here are the node's own: unique within the op, aligned by position with each operand's factors. */
export interface OpRule {
  readonly factors: Readonly<Record<FactorName, RuleFactor>>;
  /** operand → its factors, in the order of the operand's type. */
  readonly operands: readonly (readonly FactorName[])[];
  /** result → its factors. A split factor that a result lacks is reduced there. */
  readonly results: readonly (readonly FactorName[])[];
  /** How each result reduces the factors that it lacks. */
  readonly reductions: readonly Reduction[];
  /** Sets of operands in which the op is jointly linear: a partial sum may pass through the operands of one set together. */
  readonly linear: readonly (readonly number[])[];
  /** Letters of the op's signature → the factors they bind to: how kernels see operands, one dimension a letter. Empty for primitives. */
  readonly letters: Readonly<Record<string, readonly FactorName[]>>;
  /** Factors whose shard origin (global start of the local block) the kernel is told. */
  readonly origins: readonly FactorName[];
}

/** What the partitioner chooses for one op. Each axis occurs once over both fields. */
export interface Assignment {
  /** Of tied factors nothing is said: see {@link splitOf}. */
  readonly splits: Readonly<Record<FactorName, Split>>;
  /** Axis → index of the linear set through which a partial sum passes. */
  readonly through: Readonly<Record<AxisName, number>>;
}

/** How an assignment splits a factor, be it tied to another; undefined: not at all. */
export function splitOf(rule: OpRule, { splits }: Pick<Assignment, 'splits'>, factor: FactorName): Split | undefined {
  const tied = rule.factors[factor]?.tied;
  if (!tied) return splits[factor];
  const other = splits[tied.to];
  return other && other.axes.length > 0 ? turned(other, tied.turn) : other;
}

/** The layout an assignment needs operand `i` in; keyed by the names of the operand's own type. */
export function operandLayout(rule: OpRule, a: Assignment, i: number, names: readonly FactorName[]): Layout {
  const partial: Record<AxisName, Reduction> = {};
  for (const [axis, set] of Object.entries(a.through)) if (rule.linear[set].includes(i)) partial[axis] = 'sum';
  return { splits: rename(rule, rule.operands[i], names, a), partial };
}

/** The layout an assignment gives result `i`; keyed by the names of the result's own type. */
export function resultLayout(rule: OpRule, a: Assignment, i: number, names: readonly FactorName[]): Layout {
  const partial: Record<AxisName, Reduction> = {};
  for (const axis of Object.keys(a.through)) partial[axis] = 'sum';
  for (const [factor, split] of Object.entries(a.splits)) {
    if (rule.results[i].some((name) => name === factor || rule.factors[name]?.tied?.to === factor)) continue;
    for (const axis of split.axes) partial[axis] = rule.reductions[i];
  }
  return { splits: rename(rule, rule.results[i], names, a), partial };
}

/** Where a rank's block begins, of each factor of which its kernel is told. */
export const originsOf = (
  rule: OpRule,
  assignment: Pick<Assignment, 'splits'>,
  mesh: Mesh,
  at: Coordinates,
): Readonly<Record<FactorName, number>> =>
  Object.fromEntries(
    rule.origins.map((name) => [name, rangeOf(mesh, splitOf(rule, assignment, name), rule.factors[name].size, at)[0]]),
  );

/** True where the assignment splits a factor that the kernel needs whole. */
export const splitsWhole = (rule: OpRule, a: Assignment): boolean =>
  Object.entries(a.splits).some(([name, split]) => split.axes.length > 0 && rule.factors[name]?.whole);

function rename(
  rule: OpRule,
  own: readonly FactorName[],
  names: readonly FactorName[],
  a: Assignment,
): Record<FactorName, Split> {
  const splits: Record<FactorName, Split> = {};
  own.forEach((factor, k) => {
    const split = splitOf(rule, a, factor);
    if (split && split.axes.length > 0) splits[names[k]] = split;
  });
  return splits;
}

/** A rule as text: equal for equal rules. */
export function ruleText(rule: OpRule): string {
  const factors = Object.entries(rule.factors).map(([name, { size, whole, parts, even, tied }]) => {
    const marks = `${whole ? '!' : ''}${parts ? `/${parts}` : ''}${even ? '=' : ''}${tied ? `~${tied.to}+${tied.turn}` : ''}`;
    return `${name}=${size}${marks}`;
  });
  const lists = (list: readonly (readonly (string | number)[])[]) => list.map((one) => one.join(' ')).join(', ');
  const letters = Object.entries(rule.letters).map(([letter, names]) => `${letter}=${names.join(' ')}`);
  return (
    `[${factors.join(' ')}] (${lists(rule.operands)}) -> (${lists(rule.results)}) by ${rule.reductions.join(' ')} ` +
    `linear (${lists(rule.linear)}) letters (${letters.join(', ')}) origins (${rule.origins.join(' ')})`
  );
}
