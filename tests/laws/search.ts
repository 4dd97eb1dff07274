/** Searching a law's cases for one that breaks it, and telling of it. */
import fc from 'fast-check';
import type { HintsDraw, TrainingDraw } from '../arbitraries/training.js';
import { caseText, describeModel } from './case_text.js';
import { planLine, type Case, type Law } from './laws.js';
import type { Fault } from './parallel_equals_serial.js';
import { shrink } from './simpler.js';

export interface Search {
  readonly seed: number;
  /** Fresh cases, after the law's examples. */
  readonly runs: number;
  /** No case is begun after so long. */
  readonly limitMs?: number;
  /** Told of each case that the law has held in. */
  readonly held?: (one: Case) => void;
}

export interface Found {
  readonly case: Case;
  readonly fault: Fault;
  /** Cases until then, this one too. */
  readonly cases: number;
  readonly seconds: number;
}

/** The first case that breaks a law, as small as it can be made and still break it so; null where all hold. */
export function search(
  law: Pick<Law, 'cases' | 'examples' | 'fault'>,
  { seed, runs, limitMs, held }: Search,
): Found | null {
  const began = performance.now();
  let cases = 0;
  const property = fc.property(law.cases(), ([draw, hints]) => {
    cases++;
    if (law.fault(draw, hints)) return false;
    held?.([draw, hints]);
    return true;
  });
  const out = fc.check(property, {
    seed,
    numRuns: law.examples.length + runs,
    examples: law.examples.map((one): [Case] => [one]),
    endOnFailure: true,
    ...(limitMs !== undefined && { interruptAfterTimeLimit: limitMs }),
  });
  if (!out.counterexample) return null;
  const seconds = (performance.now() - began) / 1000;
  const { kind } = law.fault(...out.counterexample[0])!;
  const small = shrink(
    out.counterexample[0],
    (draw: TrainingDraw, hints: HintsDraw) => law.fault(draw, hints)?.kind === kind,
  );
  return { case: small, fault: law.fault(...small)!, cases, seconds };
}

/** A failure as a story; `replay` is the command that shows it again, without the case. */
export const story = (name: string, { case: small, fault, cases }: Found, replay: string): string =>
  [
    `${name}: failed in case ${cases}, shrunk to`,
    `  model   ${describeModel(small)}`,
    `  plan    ${planLine(small)}`,
    fault.tell(),
    `  replay  ${replay} --case '${caseText(small)}'`,
  ].join('\n');
