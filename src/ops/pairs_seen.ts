/**
 * How many pairs of a query and a key a block of attention multiplies: those that its masks leave, by the place where the block lies. What
 * ranks that share a sequence have to do differs by this alone; stored head-tail it is the same for all. Documents are data: they are
 * counted as one.
 */
import type { BlockPlace } from '../ir/define_op.js';
import type { Attributes } from '../ir/graph.js';
import { headTailRuns, runsWithin } from '../ir/head_tail.js';
import { evenBounds } from '../ir/layout.js';

export function pairsSeen({ rule, block }: BlockPlace, attributes: Attributes): number {
  const { parts = 0, turn = 0, head_tail: ranks = 0 } = attributes as Readonly<Record<string, number | undefined>>;
  const of = (letter: 's' | 't', headTail: boolean): Letter => {
    const [first, ...others] = rule.letters[letter];
    const unit = others.reduce((n, name) => n * rule.factors[name].size, 1);
    return { size: rule.factors[first].size, range: block[first], unit, ranks: headTail ? ranks : 0 };
  };
  const [queries, keys] = [of('s', true), of('t', parts > 0)];
  const seen = (some: readonly Run[], others: readonly Run[]): number =>
    some.reduce((sum, run) => others.reduce((total, other) => total + pairsOfRuns(run, other, attributes), sum), 0);
  if (parts === 0) return seen(runsOf(queries, queries.range), runsOf(keys, keys.range));
  const bounds = evenBounds(queries.size, parts);
  const part = (letter: Letter, which: number) =>
    runsOf(letter, [Math.max(letter.range[0], bounds[which]), Math.min(letter.range[1], bounds[which + 1])]);
  return bounds
    .slice(1)
    .reduce((sum, _, which) => sum + seen(part(queries, which), part(keys, (which + turn) % parts)), 0);
}

/** Queries or keys: their first factor, what of it the block has, how many positions lie behind each of its elements. */
interface Letter {
  readonly size: number;
  readonly range: readonly [number, number];
  readonly unit: number;
  /** For how many ranks they are stored head-tail; 0: in order. */
  readonly ranks: number;
}

/** Positions that follow each other. */
interface Run {
  readonly position: number;
  readonly length: number;
}

function runsOf({ size, unit, ranks }: Letter, [from, to]: readonly [number, number]): readonly Run[] {
  const runs =
    ranks === 0 ? [{ position: from, length: to - from }] : runsWithin(headTailRuns(size, ranks), from, to - from);
  return runs.map(({ position, length }) => ({ position: position * unit, length: length * unit }));
}

/** Of each query, the keys behind the first that it sees and up to the last: both go on by one with the query. */
function pairsOfRuns(queries: Run, keys: Run, { causal, window }: Attributes): number {
  const reach = (window as number) || Infinity;
  const upTo = (behind: number) => rampSum(queries.position - keys.position + behind, queries.length, keys.length);
  return upTo(causal ? 1 : reach) - upTo(1 - reach);
}

/** Σ over i < count of `first` + i, none taken below 0 or above `most`. */
function rampSum(first: number, count: number, most: number): number {
  if (count <= 0 || most <= 0 || first === -Infinity) return 0;
  if (first === Infinity) return count * most;
  const clip = (i: number) => Math.min(count, Math.max(0, i));
  const [rises, full] = [clip(-first), clip(most - first)];
  const rising = full - rises;
  return rising * (first + rises) + (rising * (rising - 1)) / 2 + (count - full) * most;
}
