import { DiagnosticError } from '../ir/diagnostic.js';

/** Also of a diagnostic whose class was loaded a second time, by the imports of a user's module. */
export const isDiagnostic = (error: unknown): error is DiagnosticError =>
  error instanceof DiagnosticError || (error instanceof Error && error.name === 'DiagnosticError');
