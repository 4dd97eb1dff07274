/** What is tried with a file that a person has named. */
import type { DiagnosticError } from '../ir/diagnostic.js';
import { systemProblem, type SystemProblem } from '../ir/system_error.js';

/** A diagnostic that says why a file cannot be written. */
type Refusal = (problem: { readonly file: string } & SystemProblem, options: { cause: unknown }) => DiagnosticError;

/** Throws what `refused` makes of an error of `work`. */
export function attempt(file: string, refused: Refusal, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw refused({ file, ...systemProblem(error) }, { cause: error });
  }
}
