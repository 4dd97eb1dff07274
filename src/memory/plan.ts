import { bestFit } from './best_fit.js';
import { lowerBound, type LowerBound } from './lower_bound.js';
import { peakBytes as highestByte, type MemoryProblem } from './problem.js';
import { searchPlacement } from './search.js';
import { distinctSections } from './sections.js';

export interface PlanMemoryOptions {
  /** Bytes that there are: any placement that fits them will do. Without it, the peak is made as low as the budget allows. */
  readonly capacity?: number;
  /** Improved orders that best fit may try. Default: 400, fewer for thousands of buffers. */
  readonly moves?: number;
  /** Nodes the search may visit, in all. Default 200,000: seconds for hundreds of buffers. */
  readonly searchNodes?: number;
  /** Stops both early; needs `clock`. The answer then depends on the machine's speed. */
  readonly budgetMilliseconds?: number;
  /** Milliseconds from any origin. Never read without `budgetMilliseconds`. */
  readonly clock?: () => number;
}

export interface MemoryPlan {
  /** Address of each buffer, in bytes. */
  readonly offsets: readonly number[];
  /** What the arena must hold. */
  readonly peakBytes: number;
  /** The largest sum of bytes alive at once. */
  readonly boundBytes: number;
  readonly bound: LowerBound;
  readonly method: 'best_fit' | 'search';
  /** Search nodes visited. */
  readonly nodes: number;
  /** Whether no placement is lower: the bound was met, or the search proved it. */
  readonly optimal: boolean;
}

/** Best fit goes on until this near to the bound; beyond it the search begins, down to this gap. */
const CLOSE_ENOUGH = 1.005;
const WORTH_A_SEARCH = 1.02;

/** The search recurses once a buffer; this many frames fit any stack. */
const MOST_SEARCHED_BUFFERS = 2500;

/**
 * Chooses an address for every buffer. Best fit first, which suffices for most programs; where it stays more than 2%
 * above the bound (or above `capacity`), the search goes on from there by bisection. Deterministic unless a time budget is set.
 */
export function planMemory(problem: MemoryProblem, options: PlanMemoryOptions = {}): MemoryPlan {
  const { capacity, searchNodes = 200_000 } = options;
  const bound = lowerBound(problem);
  const least = bound.attainableBytes;
  const enough = capacity !== undefined && capacity >= least ? capacity : Math.floor(least * CLOSE_ENOUGH);
  const expired = timer(options);

  const found = bestFit(problem, { goalBytes: enough, moves: options.moves ?? defaultMoves(problem), expired });
  let { offsets, peakBytes } = found;
  let [method, nodes, provedBelow]: [MemoryPlan['method'], number, number] = ['best_fit', 0, least];

  const tooHigh =
    capacity === undefined ? peakBytes > least * WORTH_A_SEARCH : peakBytes > capacity && capacity >= least;
  if (tooHigh && problem.buffers.length <= MOST_SEARCHED_BUFFERS) {
    // The first target is what is wanted; then lower ones while they are found, higher ones while they are not.
    let target = capacity ?? Math.floor(least * WORTH_A_SEARCH);
    let hopefulFrom = least;
    const sections = distinctSections(problem.rows);
    while (hopefulFrom < peakBytes && peakBytes > enough && nodes < searchNodes && !expired()) {
      const slice = capacity === undefined ? Math.ceil((searchNodes - nodes) / 3) : searchNodes - nodes;
      const result = searchPlacement(problem, { capacityBytes: target, nodes: slice, sections, expired });
      nodes += result.nodes;
      if (result.outcome === 'fits') {
        offsets = result.offsets;
        peakBytes = highestByte(problem.buffers, offsets);
        method = 'search';
      } else {
        hopefulFrom = target + 1;
        if (result.outcome === 'impossible') provedBelow = target + 1;
        if (capacity !== undefined) break;
      }
      target = Math.floor((hopefulFrom + peakBytes - 1) / 2);
    }
  }
  return {
    offsets: Array.from(offsets),
    peakBytes,
    boundBytes: bound.bytes,
    bound,
    method,
    nodes,
    optimal: peakBytes <= provedBelow,
  };
}

/** About half a second of moves: one costs the placement of half the buffers, each looked for among all and its conflicts marked. */
function defaultMoves({ buffers, neighbours }: MemoryProblem): number {
  const conflicts = neighbours.reduce((sum, list) => sum + list.length, 0);
  return Math.min(400, Math.floor(4e8 / (buffers.length ** 2 + conflicts + 1)));
}

function timer({ budgetMilliseconds, clock }: PlanMemoryOptions): () => boolean {
  if (budgetMilliseconds === undefined || clock === undefined) return () => false;
  const end = clock() + budgetMilliseconds;
  return () => clock() > end;
}
