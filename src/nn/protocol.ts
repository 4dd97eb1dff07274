/**
 * Names by which steps are spoken to: what the host writes, what it reads, and what belongs to a parameter. Graphs take and give values by
 * name, and parameters are among them, so no parameter may have one of these.
 */

/** Written before each step, one for each microbatch. */
export const dataInputs = ['tokens', 'labels', 'microbatch'] as const;
/** Written once a step: of randomness, and of the update. */
export const scalarInputs = ['seed', 'step', 'lr', 'correction1', 'correction2'] as const;
/** Read after a step. */
export const results = ['loss_sum', 'tokens', 'logits', 'gradient_norm', 'skipped'] as const;
/** What stands before a parameter's name in those of its gradient and of its state. */
export const belongings = { gradient: 'gradient.', state: 'optimizer.' } as const;

export type DataInput = (typeof dataInputs)[number];
export type ScalarInput = (typeof scalarInputs)[number];
export type ResultName = (typeof results)[number];

/** What a name means to a step; null where a parameter may have it. */
export function roleOf(name: string): string | null {
  const among = (names: readonly string[]) => names.includes(name);
  if (among(dataInputs)) return 'what a step reads of its batch';
  if (among(scalarInputs)) return 'a number that is given to each step';
  if (among(results)) return 'a result of a step';
  if (name === 'forward' || name === 'loss') return 'a method of the model';
  if (name.startsWith(belongings.gradient)) return 'the gradient of another parameter';
  if (name.startsWith(belongings.state)) return "the optimizer's state of another parameter";
  return null;
}
