/**
 * Local happens-before of a class, by vector clocks: for each launch, how many instructions of every lane have surely finished when it
 * begins. Lanes run in order; a wait takes what the latest earlier signal knew; nothing else orders lanes.
 */
import type { Lane, RankClass } from './program.js';
import { eventOf, unroll, type Launch } from './unroll.js';

export interface ClockedLaunch extends Launch {
  /** Index of its lane in {@link LaneClocks.lanes}. */
  readonly lane: number;
  /** Its number on its own lane, from 1. */
  readonly number: number;
  /** Instructions surely finished when it begins, by lane. */
  readonly begins: readonly number[];
}

export interface LaneClocks {
  readonly lanes: readonly Lane[];
  readonly launches: readonly ClockedLaunch[];
}

export function clockLaunches(rankClass: Pick<RankClass, 'templates' | 'schedule'>): LaneClocks {
  const list = [...unroll(rankClass)];
  const lanes = [...new Set(list.map((launch) => launch.instruction.lane))];
  const laneIndex = new Map(lanes.map((lane, i) => [lane, i]));
  const known = lanes.map(() => lanes.map(() => 0));
  const signalled = new Map<string, readonly number[]>();
  const launches = list.map((launch): ClockedLaunch => {
    const { instruction } = launch;
    const lane = laneIndex.get(instruction.lane)!;
    const mine = known[lane];
    if (instruction.kind === 'wait') {
      const signal = signalled.get(eventOf(instruction, launch.step));
      signal?.forEach((count, i) => (mine[i] = Math.max(mine[i], count)));
    }
    const begins = [...mine];
    mine[lane]++;
    if (instruction.kind === 'signal') signalled.set(eventOf(instruction, launch.step), [...mine]);
    return { ...launch, lane, number: mine[lane], begins };
  });
  return { lanes, launches };
}
