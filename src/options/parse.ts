/** Options of a call, checked against their schema. */
import type { z } from 'zod';
import { optionConflict, wrongOption, type Conflict } from './diagnostics.js';
import { explainIssues } from './issues.js';
import { isPlain, textOf } from './plain.js';
import { optionRows } from './rows.js';

/**
 * `given` with every field present. `source` says what was called, for messages: `options of new models.GPT()`; or, of each option, where it
 * was written. Throws `config/unknown-option`, `config/wrong-option`.
 */
export function parseOptions<Schema extends z.ZodType>(
  schema: Schema,
  given: unknown,
  source: string | ((option: string) => string),
): z.output<Schema> {
  const sourceOf = typeof source === 'string' ? () => source : source;
  if (!isPlain(given))
    throw wrongOption({ option: 'options', expected: 'an object', given: textOf(given), source: sourceOf('') });
  const { data, error } = schema.safeParse(given);
  if (error) throw explainIssues(error.issues, given, optionRows(schema), sourceOf);
  return data as z.output<Schema>;
}

/** Throws `config/option-conflict` for the first of `conflicts`. */
export function refuseConflict(conflicts: readonly Conflict[], source: string): void {
  const [conflict] = conflicts;
  if (conflict) throw optionConflict({ ...conflict, sourceOf: () => source });
}
