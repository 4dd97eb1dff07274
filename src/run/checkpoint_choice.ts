/** Which checkpoint of a run a command means, as a user says it. */
import { badCheckpointName } from './diagnostics.js';

/** A step, as a number or as text, the name of a checkpoint's folder, or `latest`. */
export type CheckpointChoice = number | string;

// Fifteen digits are an exact number.
const written = [/^(\d{1,15})$/, /^step-(\d{1,15})(?:-\d+)?$/];

/** The step of the checkpoint that is meant; null: the latest. Throws `run/bad-checkpoint-name`. */
export function stepOfChoice(choice: CheckpointChoice): number | null {
  if (choice === 'latest') return null;
  const step = typeof choice === 'number' ? choice : Number(digitsOf(choice) ?? NaN);
  if (!Number.isSafeInteger(step) || step < 0) throw badCheckpointName({ given: String(choice) });
  return step;
}

const digitsOf = (text: string): string | undefined =>
  written.map((pattern) => pattern.exec(text)?.[1]).find((digits) => digits !== undefined);
