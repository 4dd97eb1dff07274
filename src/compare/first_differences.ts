/** What two runs' digests say of each other: the first step with other data, the first start with another state, the first other outcome. */
import type { BeganDigest, RunDigests, StepDigest } from '../run/digests.js';
import type { StateFinding, StepsFinding } from './comparison.js';

/** Steps that both have digests of, in order. */
export function sharedSteps(a: RunDigests, b: RunDigests): readonly (readonly [StepDigest, StepDigest])[] {
  const others = new Map(b.steps.map((one) => [one.step, one]));
  return a.steps.flatMap((one) => {
    const other = others.get(one.step);
    return other ? [[one, other] as const] : [];
  });
}

/** The first step that read other data; null where all that both have read is the same. */
export const firstOtherData = (steps: ReturnType<typeof sharedSteps>): readonly [StepDigest, StepDigest] | null =>
  steps.find(([a, b]) => a.data !== b.data) ?? null;

/** The first step whose outcome is not the same, bit for bit. */
export function firstOtherStep(steps: ReturnType<typeof sharedSteps>): StepsFinding {
  const at = steps.findIndex(
    ([a, b]) =>
      !Object.is(a.loss, b.loss) ||
      !Object.is(a.gradientNorm, b.gradientNorm) ||
      otherTensors(a.parameters, b.parameters).length > 0,
  );
  if (at < 0) return { kind: 'same', last: steps[steps.length - 1][0].step };
  const [a, b] = steps[at];
  return {
    kind: 'differs',
    step: a.step,
    before: at === 0 ? null : steps[at - 1][0].step,
    loss: [a.loss, b.loss],
    gradientNorm: [a.gradientNorm, b.gradientNorm],
    parameters: otherTensors(a.parameters, b.parameters),
    of: a.parameters.size,
  };
}

/** State that was there before a step, as far as it is known. */
export type StateAt = (step: number) => ReadonlyMap<string, string> | null;

/**
 * The first start of one of the runs at which the other had another state, of those before the steps differ: what differs later follows from
 * that. `a` and `b`: what each had at a step where it did not itself begin.
 */
export function firstOtherState(
  digests: readonly [RunDigests, RunDigests],
  states: readonly [StateAt, StateAt],
  before: number,
): StateFinding {
  const starts = digests.flatMap(({ began }) => began.map(({ step }) => step));
  const at = [...new Set(starts)].sort((one, other) => one - other).filter((step) => step <= before);
  const compared: number[] = [];
  for (const step of at) {
    const [a, b] = digests.map(({ began }, i) => stateOf(began, step) ?? states[i](step));
    if (!a || !b) continue;
    compared.push(step);
    const tensors = otherTensors(a, b);
    if (tensors.length > 0) return { kind: 'differs', step, tensors, of: a.size };
  }
  return { kind: 'same', at: compared };
}

const stateOf = (began: readonly BeganDigest[], step: number): ReadonlyMap<string, string> | null =>
  began.findLast((one) => one.step === step)?.state ?? null;

/** Tensors that both have, in which they are not equal. */
export const otherTensors = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): readonly string[] =>
  [...a].flatMap(([name, hash]) => (b.has(name) && b.get(name) !== hash ? [name] : []));
