/**
 * How attention on a rank's block is taken where one launch does not do: launches of runs of queries and runs of keys, each all seen, seen
 * up to the diagonal or not at all.
 *
 *   queries stored head-tail, all keys       the head's run and the tail's, each told its position
 *   a step of a ring                         one launch; of a block that has several parts, one a part
 *   a step of a ring stored head-tail        part r of the queries meets part s of the keys:
 *                                              s = r   both in order: one launch up to the diagonal, as if they were one run
 *                                              s < r   all queries see the head, and none the tail
 *                                              s > r   the tail's queries see all, those of the head nothing
 */
import { headTailRuns, runsWithin, type StoredRun } from '../ir/head_tail.js';
import { evenBounds } from '../ir/layout.js';
import type { Piece } from './fused.js';
import { localSizes, type KernelSite } from './site.js';

export function attentionPieces(site: KernelSite): readonly Piece[] {
  const { rule, attributes } = site;
  const [first, second] = [rule.letters.s[0], rule.letters.t[0]];
  const ranks = (attributes.head_tail as number | undefined) ?? 0;
  const causal = attributes.causal === true;
  if (rule.factors[second].tied) return ringPieces(site, ranks, causal);
  const sizes = localSizes(site);
  const unit = elementsBehind(site, 's');
  const [begin, count] = [site.origins[first] ?? 0, sizes[first]];
  const keys = spanOf(sizes[second] * elementsBehind(site, 't'));
  const runs =
    ranks === 0
      ? [{ stored: 0, position: begin, length: count }]
      : first in site.origins || count === rule.factors[first].size
        ? runsWithin(headTailRuns(rule.factors[first].size, ranks), begin, count)
        : ofAnyPlace(count);
  return runs.map(({ stored, position, length }) =>
    piece({ from: stored * unit, size: length * unit, position: position * unit }, keys, causal),
  );
}

/** One step of a ring: of each part of the queries that the block has, the part of the keys that it meets. */
function ringPieces(site: KernelSite, ranks: number, causal: boolean): readonly Piece[] {
  const { rule, origins } = site;
  const [first, second] = [rule.letters.s[0], rule.letters.t[0]];
  const { size, parts = 1 } = rule.factors[first];
  const { turn } = rule.factors[second].tied!;
  const bounds = evenBounds(size, parts);
  const unit = elementsBehind(site, 's');
  const { [first]: queries, [second]: keys } = localSizes(site);
  const lengthOf = (part: number) => bounds[part + 1] - bounds[part];
  // A rank has one part of each, or all.
  const hasAll = queries === size && keys === size;
  const at = (which: number): Span => ({
    from: hasAll ? bounds[which] * unit : 0,
    size: lengthOf(which) * unit,
    position: bounds[which] * unit,
  });
  const step = (part: number): readonly Piece[] => {
    const met = metBy(part);
    return ranks > 0 ? headTailStep(part, met, at, unit) : [piece(at(part), at(met), causal)];
  };
  const metBy = (part: number) => (part + turn) % parts;
  const all = Array.from({ length: parts }, (_, part) => part);
  if (hasAll) return all.flatMap(step);
  // What is asked of a class is as large as the largest block of its ranks, and of no place: it is answered by as large a piece.
  if (!(first in origins)) return [piece(spanOf(queries * unit), spanOf(keys * unit), causal)];
  // Of sequences shorter than the ring some parts are empty, and begin where others do.
  const own = all.find(
    (part) => bounds[part] === origins[first] && lengthOf(part) === queries && lengthOf(metBy(part)) === keys,
  );
  return own === undefined ? [] : step(own);
}

/** A run of queries or keys: within the block, and where it lies in its sequence. */
interface Span {
  readonly from: number;
  readonly size: number;
  readonly position: number;
}

const spanOf = (size: number): Span => ({ from: 0, size, position: 0 });

/** What is asked of a class is of no place: its ranks have blocks of several runs. */
const ofAnyPlace = (count: number): readonly StoredRun[] => {
  const half = Math.ceil(count / 2);
  return [
    { stored: 0, position: 0, length: half },
    { stored: half, position: half, length: count - half },
  ];
};

/** Elements of a letter behind its first factor. */
const elementsBehind = ({ rule }: KernelSite, letter: string): number =>
  rule.letters[letter].slice(1).reduce((n, name) => n * rule.factors[name].size, 1);

function headTailStep(part: number, met: number, at: (which: number) => Span, unit: number): readonly Piece[] {
  const [queries, keys] = [at(part), at(met)];
  if (met === part) return [piece({ ...queries, position: 0 }, { ...keys, position: 0 }, true)];
  const headOf = (span: Span) => Math.ceil(span.size / unit / 2) * unit;
  const head = (span: Span): Span => ({ ...span, size: headOf(span) });
  const tail = (span: Span): Span => ({ ...span, from: span.from + headOf(span), size: span.size - headOf(span) });
  const nothing = (span: Span): Span => ({ ...span, size: 0 });
  return met < part
    ? [piece(queries, head(keys), false), piece(nothing(queries), tail(keys), false)]
    : [piece(tail(queries), keys, false), piece(head(queries), nothing(keys), false)];
}

const piece = (queries: Span, keys: Span, causal: boolean): Piece => ({
  runs: { s: [queries.from, queries.size], t: [keys.from, keys.size] },
  attributes: {
    // Queries behind all keys see them all: no mask is needed, which is what libraries have for blocks.
    causal: causal && queries.position < keys.position + keys.size - 1 ? 1 : 0,
    query_start: queries.position,
    key_start: keys.position,
  },
});
