/** Gathers of stored weights in a program: when each is launched, and how long what it makes is there. */
import type { RankClass } from '../../src/program/program.js';
import { operandsOf } from '../../src/program/kinds.js';
import { baseOf } from '../../src/program/place.js';
import { eventOf, instanceKey, unroll, type Launch } from '../../src/program/unroll.js';

/** Of a segment in one direction of a microbatch, what is gathered. */
export interface Gathered {
  /** `blocks.0 forward 2`. */
  readonly reader: string;
  /** Kernels of other segments, directions or microbatches that compute has between the launch and the wait. */
  readonly under: number;
  /** Launches, from the first write to the last read. */
  readonly from: number;
  readonly to: number;
}

/** What is stored is there between steps, or cast once a step. */
export function gatheredWeights(rankClass: RankClass): readonly Gathered[] {
  const { values } = rankClass;
  const made = new Map<string, { -readonly [K in keyof Gathered]: Gathered[K] }>();
  const signalled = new Map<string, string>();
  const waited = new Set<string>();
  let last = '';
  for (const { instruction, step, index } of unroll(rankClass)) {
    if (instruction.kind === 'collective' && isGather(rankClass, instruction)) {
      last = instanceKey(values, baseOf(values, instruction.output.value), step.microbatch);
      made.set(last, { reader: readerOf({ instruction, step }), under: 0, from: index, to: index });
    } else if (instruction.kind === 'signal' && instruction.lane !== 'compute' && last !== '') {
      signalled.set(eventOf(instruction, step), last);
      last = '';
    } else if (instruction.kind === 'wait' && instruction.lane === 'compute') {
      const key = signalled.get(eventOf(instruction, step));
      if (key !== undefined) waited.add(key);
    } else if (instruction.kind === 'kernel') {
      for (const [key, one] of made)
        if (!waited.has(key) && readerOf({ instruction, step }) !== one.reader) one.under++;
    }
    for (const { value } of operandsOf(instruction)) {
      const one = made.get(instanceKey(values, baseOf(values, value), step.microbatch));
      if (one) one.to = index;
    }
  }
  return [...made.values()];
}

/** The most readers whose weights are there at once. */
export function mostReadersAlive(rankClass: RankClass): number {
  const list = gatheredWeights(rankClass);
  const alive = (at: number) =>
    new Set(list.flatMap(({ reader, from, to }) => (from <= at && at <= to ? [reader] : []))).size;
  return Math.max(0, ...list.map(({ from }) => alive(from)));
}

const readerOf = ({ instruction: { source }, step }: Pick<Launch, 'instruction' | 'step'>): string =>
  `${source.segment} ${source.phase} ${step.microbatch}`;

function isGather({ values }: RankClass, instruction: Extract<Launch['instruction'], { kind: 'collective' }>): boolean {
  const { input, output, move } = instruction;
  const stored = values[baseOf(values, input.value)].lifetime;
  const gathered = values[baseOf(values, output.value)].lifetime;
  return move.kind === 'all_gather' && (stored === 'persistent' || stored === 'step') && gathered !== 'persistent';
}
