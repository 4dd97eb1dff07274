/** What the system refuses for a path, wherever it happens: a diagnostic, and never a bare error. */
import { DiagnosticError } from '../ir/diagnostic.js';
import { systemProblem } from '../ir/system_error.js';
import { pathRefused } from './diagnostics.js';

/**
 * Gives what `work` gives. An error of the system about a path that nothing below has put into words is thrown as `run/path-refused`;
 * any other as it is.
 */
export async function pathsTold<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toldOf(error) ?? error;
  }
}

function toldOf(error: unknown): DiagnosticError | null {
  if (!(error instanceof Error) || error instanceof DiagnosticError) return null;
  const { path, dest, syscall } = error as Error & { path?: unknown; dest?: unknown; syscall?: unknown };
  const { problem, remedy } = systemProblem(error);
  if (remedy === null || (typeof path !== 'string' && !onFile.has(String(syscall)))) return null;
  const places = [path, dest].filter((one) => typeof one === 'string');
  return pathRefused({ places, operation: String(syscall ?? 'use'), problem, remedy }, { cause: error });
}

/** Calls on a file that is open: the error names none. */
const onFile = new Set(['read', 'write', 'fsync', 'fstat', 'ftruncate', 'close']);
