/**
 * What the terms of a loss are averaged over: counts over all microbatches and ranks of a step, in which padding counts nothing.
 *
 *   tokens         those that have a target, whose label is not negative
 *   microbatches   logical ones that have such a token
 *
 * A step sums the gradients of all terms into one, which the update divides by the step's tokens. So what is averaged over something else is
 * weighed before its backward, by as many tokens as there are to one of those. The host knows that number, a scalar of the step, since all
 * counts follow from labels (docs/decisions/016-denominators.md).
 */
import type { ScalarInput } from '../ir/role.js';

export const denominators = ['tokens', 'microbatches'] as const;
export type Denominator = (typeof denominators)[number];

/** How many there are of each in a step. */
export type StepCounts = Readonly<Record<Denominator, number>>;

/** The scalar that a term over it is weighed by; null: none is needed. */
export const scalarOf: Readonly<Record<Denominator, ScalarInput | null>> = {
  tokens: null,
  microbatches: 'tokens_per_microbatch',
};

/** From the labels of each logical microbatch. */
export function countStep(microbatches: Iterable<Int32Array>): StepCounts {
  const counts = { tokens: 0, microbatches: 0 };
  for (const labels of microbatches) {
    const real = labels.reduce((count, label) => count + (label < 0 ? 0 : 1), 0);
    counts.tokens += real;
    if (real > 0) counts.microbatches++;
  }
  return counts;
}

/** What a step is given of its counts, by the names of its inputs; of nothing but padding, zeros. */
export const countScalars = (counts: StepCounts): Readonly<Partial<Record<ScalarInput, number>>> =>
  Object.fromEntries(
    denominators.flatMap((over) => {
      const scalar = scalarOf[over];
      return scalar === null ? [] : [[scalar, counts[over] === 0 ? 0 : counts.tokens / counts[over]]];
    }),
  );
