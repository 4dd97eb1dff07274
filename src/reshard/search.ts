/**
 * Layout to layout by the cheapest path of moves: Dijkstra over layouts, under a cost function.
 *
 * Factors that both layouts split alike, and axes over which both are partial alike, take no part: they are left out of the search and
 * put back into its moves, so a large type costs no more than what changes in it. Of paths that cost the same the one with fewer moves
 * wins, then the one found first; moves are listed in a fixed order, so the same question has the same answer everywhere.
 */
import type { CommunicationCost } from '../cost/communication.js';
import { dtypeBytes } from '../ir/dtype.js';
import {
  canonicalLayout,
  largestPart,
  layoutFault,
  printLayout,
  printSplit,
  type Layout,
  type Reduction,
  type Split,
} from '../ir/layout.js';
import type { AxisName, Mesh } from '../ir/mesh.js';
import { madeOnce } from '../ir/texts.js';
import { factorsOf, printType, type Factor, type FactorName, type TensorType } from '../ir/type.js';
import { illegalLayout, noPath, noSuchMove, pathEndsElsewhere } from './diagnostics.js';
import { Heap } from './heap.js';
import { communicationOf, movesFrom, type Move } from './moves.js';

/** A path and what the cost function says it takes. */
export interface ReshardPath {
  readonly moves: readonly Move[];
  readonly seconds: number;
}

/** A path as text: of which type, between which layouts, and the moves in order with the layouts that they lead to. */
export interface WrittenPath {
  readonly of: string;
  readonly from: string;
  readonly to: string;
  /** `all_gather {batch:data}` */
  readonly by: readonly string[];
}

/** A path that a plan fixes, and where it stands there. */
export interface GivenPath extends WrittenPath {
  readonly field: string;
}

/** Paths that were found, by what was asked. */
export type KnownPaths = Map<string, ReshardPath | null>;

/** Reshard paths on one mesh under one cost function, each searched for once; those that are given are followed at any cost. */
export class ReshardSearch {
  readonly mesh: Mesh;
  readonly cost: CommunicationCost;
  /** Shared by searches whose answers are the same. */
  readonly known: KnownPaths;
  private readonly typeText = madeOnce(printType);
  private readonly given: ReadonlyMap<string, GivenPath>;
  private readonly used = new Map<string, WrittenPath>();

  constructor(mesh: Mesh, cost: CommunicationCost, given: readonly GivenPath[] = [], known: KnownPaths = new Map()) {
    this.known = known;
    this.mesh = mesh;
    this.cost = cost;
    this.given = new Map(given.map((path) => [keyOf(path), path]));
  }

  /** The paths that were taken, in order: given to another search, they are its own at any cost. */
  get taken(): readonly WrittenPath[] {
    return [...this.used.values()];
  }

  /** {@link find}, for a path that becomes part of the program. */
  take(type: TensorType, from: Layout, to: Layout): ReshardPath | null {
    const found = this.find(type, from, to);
    if (found && found.moves.length > 0) {
      const asked = { of: this.typeText(type), from: printLayout(from), to: printLayout(to) };
      const by = found.moves.map(writtenMove);
      this.used.set(keyOf(asked), { ...asked, by });
    }
    return found;
  }

  /** The cheapest path, empty where the layouts are the same; null where the cost function forbids every one. */
  find(type: TensorType, from: Layout, to: Layout): ReshardPath | null {
    const key = keyOf({ of: this.typeText(type), from: printLayout(from), to: printLayout(to) });
    const before = this.known.get(key);
    if (before !== undefined) return before;
    const found = this.search(type, from, to, this.given.get(key) ?? null);
    this.known.set(key, found);
    return found;
  }

  path(type: TensorType, from: Layout, to: Layout): readonly Move[] | null {
    return this.find(type, from, to)?.moves ?? null;
  }

  /** Seconds of the cheapest path; Infinity where there is none. */
  seconds(type: TensorType, from: Layout, to: Layout): number {
    return this.find(type, from, to)?.seconds ?? Infinity;
  }

  /** The cheapest path; a diagnostic that names `at` (the op that asks) where there is none. */
  require(type: TensorType, from: Layout, to: Layout, at?: string): readonly Move[] {
    const moves = this.path(type, from, to);
    if (!moves) throw noPath({ mesh: this.mesh, type, from, to, at });
    return moves;
  }

  private search(type: TensorType, from: Layout, to: Layout, given: GivenPath | null): ReshardPath | null {
    const { mesh } = this;
    for (const layout of [from, to]) {
      const fault = layoutFault(mesh, type, layout);
      if (fault) throw illegalLayout({ mesh, type, layout, fault });
    }
    const problem = reduce(mesh, type, canonicalLayout(mesh, type, from), canonicalLayout(mesh, type, to));
    if (given) return follow(type, problem, this.cost, given, mesh);
    const found = shortest(problem, this.cost);
    return found && { ...found, moves: found.moves.map((move) => restore(mesh, type, problem, move)) };
  }
}

const keyOf = ({ of, from, to }: Omit<WrittenPath, 'by'>): string => `${of} ${from} ${to}`;

const writtenMove = ({ kind, to }: Move): string => `${kind} ${printLayout(to)}`;

/** {@link ReshardSearch.path} for one question. */
export const reshardPath = (
  m: Mesh,
  type: TensorType,
  from: Layout,
  to: Layout,
  cost: CommunicationCost,
): readonly Move[] | null => new ReshardSearch(m, cost).path(type, from, to);

/** A search without what stays as it is. */
interface Problem {
  readonly mesh: Mesh;
  readonly factors: readonly Factor[];
  readonly from: Layout;
  readonly to: Layout;
  /** Bytes of one element of the factors that remain: those left out are part of it. */
  readonly elementBytes: number;
  /** What every layout on the path has besides. */
  readonly same: Layout;
}

function reduce(m: Mesh, type: TensorType, from: Layout, to: Layout): Problem {
  const factors: Factor[] = [];
  const same: Record<FactorName, Split> = {};
  const samePartial: Record<AxisName, Reduction> = {};
  const axes = new Set<AxisName>();
  let elementBytes = dtypeBytes[type.dtype];
  for (const factor of factorsOf(type)) {
    const [a, b] = [from.splits[factor.name], to.splits[factor.name]];
    if ((a ? printSplit(a) : '') !== (b ? printSplit(b) : '')) {
      factors.push(factor);
      for (const axis of [...(a?.axes ?? []), ...(b?.axes ?? [])]) axes.add(axis);
    } else {
      if (a) same[factor.name] = a;
      elementBytes *= largestPart(m, a, factor.size);
    }
  }
  for (const { name } of m.axes) {
    if (from.partial[name] === to.partial[name]) {
      if (from.partial[name]) samePartial[name] = from.partial[name];
    } else axes.add(name);
  }
  const within = (layout: Layout): Layout => ({
    splits: Object.fromEntries(Object.entries(layout.splits).filter(([name]) => !(name in same))),
    partial: Object.fromEntries(Object.entries(layout.partial).filter(([name]) => !(name in samePartial))),
  });
  return {
    mesh: { axes: m.axes.filter((axis) => axes.has(axis.name)) },
    factors,
    from: within(from),
    to: within(to),
    elementBytes,
    same: { splits: same, partial: samePartial },
  };
}

function restore(m: Mesh, type: TensorType, problem: Problem, move: Move): Move {
  const { same } = problem;
  const layout = (part: Layout): Layout =>
    canonicalLayout(m, type, {
      splits: { ...same.splits, ...part.splits },
      partial: { ...same.partial, ...part.partial },
    });
  return { ...move, from: layout(move.from), to: layout(move.to) };
}

/** The path of these moves. Throws `reshard/no-such-move`, `reshard/path-ends-elsewhere`. */
function follow(
  type: TensorType,
  problem: Problem,
  cost: CommunicationCost,
  { by, field, to: wanted }: GivenPath,
  mesh: Mesh,
): ReshardPath {
  const { factors, to, elementBytes } = problem;
  const moves: Move[] = [];
  const isThere = (layout: Layout) => printLayout(layout) === printLayout(to);
  let at = problem.from;
  let seconds = 0;
  for (const [step, written] of by.entries()) {
    const legal = movesFrom(problem.mesh, factors, at, to).map((move) => ({
      move,
      whole: restore(mesh, type, problem, move),
    }));
    const next = legal.find(({ whole }) => writtenMove(whole) === written);
    if (!next) {
      const others = isThere(at) ? [] : legal.map(({ whole }) => writtenMove(whole));
      throw noSuchMove({ type, field: `${field}.by.${step}`, move: written, legal: others });
    }
    moves.push(next.whole);
    seconds += cost(communicationOf(problem.mesh, factors, next.move, elementBytes));
    at = next.move.to;
  }
  if (!isThere(at)) throw pathEndsElsewhere({ type, field: `${field}.by`, wanted });
  return { moves, seconds };
}

/** A layout reached, and how. */
interface Reached {
  readonly key: string;
  readonly layout: Layout;
  readonly seconds: number;
  readonly length: number;
  readonly by: { readonly move: Move; readonly after: Reached } | null;
  /** The order in which candidates were found: the last word between equals. */
  readonly order: number;
}

function shortest({ mesh, factors, from, to, elementBytes }: Problem, cost: CommunicationCost): ReshardPath | null {
  const goal = printLayout(to);
  const start: Reached = { key: printLayout(from), layout: from, seconds: 0, length: 0, by: null, order: 0 };
  const best = new Map<string, Reached>([[start.key, start]]);
  const open = new Heap(isBefore);
  let order = 0;
  for (let at: Reached | undefined = start; at; at = open.pop()) {
    if (best.get(at.key) !== at) continue;
    if (at.key === goal) return { moves: pathTo(at), seconds: at.seconds };
    for (const move of movesFrom(mesh, factors, at.layout, to)) {
      const key = printLayout(move.to);
      // Neither a dearer way to a known layout, nor one that costs more than a known way to the goal.
      const bound = best.get(key) ?? best.get(goal);
      if (bound && bound.seconds <= at.seconds) continue;
      const seconds = at.seconds + cost(communicationOf(mesh, factors, move, elementBytes));
      if (!(seconds < Infinity)) continue;
      const by = { move, after: at };
      const next: Reached = { key, layout: move.to, seconds, length: at.length + 1, by, order: ++order };
      if (bound && !isBefore(next, bound)) continue;
      best.set(key, next);
      open.push(next);
    }
  }
  return null;
}

const isBefore = (a: Reached, b: Reached): boolean =>
  a.seconds !== b.seconds ? a.seconds < b.seconds : a.length !== b.length ? a.length < b.length : a.order < b.order;

function pathTo(reached: Reached): readonly Move[] {
  const moves: Move[] = [];
  for (let at = reached; at.by; at = at.by.after) moves.unshift(at.by.move);
  return moves;
}
