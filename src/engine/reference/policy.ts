/**
 * Scheduling policies: which of the instructions that could run next does.
 *
 * A correct program gives the same bits under every policy. An incorrect one shows under some: a missing wait where the lane that is
 * not waited for is held back, an overwritten operand where a lane runs ahead, a deadlock where sends wait for their receivers.
 */
import type { Lane } from '../../program/program.js';

/** Something that can run now: one instruction, or those of several ranks that meet (a collective, a send and its receive). */
export interface Runnable {
  readonly parts: readonly RunnablePart[];
}

export interface RunnablePart {
  readonly rank: number;
  readonly lane: Lane;
  /** Position of the instruction in its rank's launch order. */
  readonly index: number;
}

export interface Policy {
  readonly name: string;
  /** rendezvous: a send ends when its receive takes it. eager: it ends at once, and its bytes wait for the receive. */
  readonly sends: 'rendezvous' | 'eager';
  /** Position of the choice in a list that is never empty. */
  choose(runnable: readonly Runnable[]): number;
}

/** What an adversary aims at: instructions of a rank, of a lane, at a place in the launch order; absent means any. */
export interface Target {
  readonly rank?: number;
  readonly lane?: Lane;
  readonly index?: number;
}

export interface PolicyOptions {
  /** Default rendezvous. */
  readonly sends?: 'rendezvous' | 'eager';
}

/** Launch order: what comes first there runs first, over all ranks. */
export const inOrder = ({ sends = 'rendezvous' }: PolicyOptions = {}): Policy => ({
  name: `in order, ${sends}`,
  sends,
  choose: earliest,
});

/** Any order, by a seed: the same seed gives the same order. */
export function random(seed: number, { sends = 'rendezvous' }: PolicyOptions = {}): Policy {
  const next = mulberry32(seed);
  return { name: `random(${seed}), ${sends}`, sends, choose: (runnable) => Math.floor(next() * runnable.length) };
}

/** The target runs only when nothing else can: a lane that is slow, or a rank that starves. */
export function hold(target: Target, { sends = 'rendezvous' }: PolicyOptions = {}): Policy {
  return {
    name: `hold ${printTarget(target)}, ${sends}`,
    sends,
    choose: (runnable) => preferred(runnable, (one) => !aims(target, one)),
  };
}

/** The target runs as soon as it can: a lane that is ahead of all others. */
export function rush(target: Target, { sends = 'rendezvous' }: PolicyOptions = {}): Policy {
  return {
    name: `rush ${printTarget(target)}, ${sends}`,
    sends,
    choose: (runnable) => preferred(runnable, (one) => aims(target, one)),
  };
}

/**
 * The standard adversaries of a program with these ranks and lanes: launch order, every lane held and rushed on all ranks and on each,
 * every rank starved, some random orders; with sends of both kinds where there are sends.
 */
export function adversaries(ranks: readonly number[], lanes: readonly Lane[], randomOrders = 4): readonly Policy[] {
  const kinds = lanes.some((lane) => lane.startsWith('send:'))
    ? (['rendezvous', 'eager'] as const)
    : (['rendezvous'] as const);
  const targets: Target[] = [...lanes.map((lane) => ({ lane }))];
  if (ranks.length > 1) {
    for (const rank of ranks) targets.push({ rank }, ...lanes.map((lane) => ({ rank, lane })));
  }
  return kinds.flatMap((sends) => [
    inOrder({ sends }),
    ...targets.flatMap((target) => [hold(target, { sends }), rush(target, { sends })]),
    ...Array.from({ length: randomOrders }, (_, seed) => random(seed + 1, { sends })),
  ]);
}

function preferred(runnable: readonly Runnable[], prefers: (one: Runnable) => boolean): number {
  let best = -1;
  runnable.forEach((one, i) => {
    if (prefers(one) && (best < 0 || isEarlier(one, runnable[best]))) best = i;
  });
  return best < 0 ? earliest(runnable) : best;
}

function earliest(runnable: readonly Runnable[]): number {
  let best = 0;
  for (let i = 1; i < runnable.length; i++) if (isEarlier(runnable[i], runnable[best])) best = i;
  return best;
}

const isEarlier = (a: Runnable, b: Runnable): boolean => a.parts[0].index < b.parts[0].index;

const aims = ({ rank, lane, index }: Target, { parts }: Runnable): boolean =>
  parts.some(
    (part) =>
      (rank === undefined || part.rank === rank) &&
      (lane === undefined || part.lane === lane) &&
      (index === undefined || part.index === index),
  );

const printTarget = ({ rank, lane, index }: Target): string =>
  [rank === undefined ? '' : `rank ${rank}`, lane ?? '', index === undefined ? '' : `launch ${index}`]
    .filter(Boolean)
    .join(' ') || 'everything';

/** Tommy Ettinger's mulberry32 (public domain): 32 bits of state, numbers in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
