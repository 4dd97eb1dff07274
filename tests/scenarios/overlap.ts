/**
 * One rank's step against a clock, where all ranks are of one class and so keep one time: when each instruction begins and ends on its
 * lane, if each takes as long as it is said to. An instruction begins when the one before it on its lane has ended; a wait ends with its
 * signal.
 */
import { loadClasses } from '../../src/engine/reference/index.js';
import { unroll, type Launch } from '../../src/program/unroll.js';
import type { Scenario } from './scenario.js';

export interface TimedLaunch extends Launch {
  readonly begin: number;
  readonly end: number;
}

/** Every instruction of a step, in launch order, with its times. */
export function timedLaunches(
  { program }: Pick<Scenario, 'program'>,
  seconds: (launch: Launch) => number,
): readonly TimedLaunch[] {
  if (program.classes.length > 1) throw new Error('ranks of several classes have no clock in common');
  const [rankClass] = program.classes;
  const [{ waitsFor }] = loadClasses(program);
  const free = new Map<string, number>();
  const ended: number[] = [];
  return [...unroll(rankClass)].map((launch) => {
    const { instruction, index } = launch;
    const ready = free.get(instruction.lane) ?? 0;
    const signal = instruction.kind === 'wait' ? waitsFor[index] : -1;
    const begin = Math.max(ready, signal < 0 ? 0 : ended[signal]);
    const end = begin + (instruction.kind === 'wait' ? 0 : seconds(launch));
    free.set(instruction.lane, end);
    ended[index] = end;
    return { ...launch, begin, end };
  });
}

/**
 * The seconds by which a step is longer than its work: a unit for each segment in each direction of a microbatch, at its first kernel, and
 * what collectives take.
 */
export function exposedSeconds(
  scenario: Pick<Scenario, 'program'>,
  collectiveSeconds: (launch: Launch) => number,
): number {
  const begun = new Set<string>();
  let work = 0;
  const launches = timedLaunches(scenario, (launch) => {
    const { instruction, step } = launch;
    if (instruction.kind === 'collective') return collectiveSeconds(launch);
    const { phase, segment } = instruction.source;
    const key = `${segment} ${phase} ${step.microbatch}`;
    if (instruction.kind !== 'kernel' || phase === 'update' || begun.has(key)) return 0;
    begun.add(key);
    work += 1;
    return 1;
  });
  return Math.round((Math.max(...launches.map(({ end }) => end)) - work) * 1e9) / 1e9;
}
