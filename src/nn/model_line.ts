/** The line of a model's own code that was refused: of all that is on the stack, what people can change. */
import { DiagnosticError } from '../ir/diagnostic.js';

/** Runs model code. What is refused in it is told with the line that asked for it, where that is no code of this package. */
export function tellingLine<T>(body: () => T): T {
  // The line may lie below many frames of ours.
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  try {
    return body();
  } catch (error) {
    const line = error instanceof DiagnosticError ? modelLine(error.stack ?? '') : null;
    if (!(error instanceof DiagnosticError) || line === null) throw error;
    const where = [...(error.diagnostic.where ?? []), { at: line }];
    throw new DiagnosticError(error.code, { ...error.diagnostic, where }, { cause: error });
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** `/home/me/model.ts:12:5`, of the innermost frame that is neither ours nor an installed package's; null where there is none. */
export function modelLine(stack: string): string | null {
  for (const frame of stack.split('\n')) {
    const found = /(?:\(|at (?:async )?)((?:file:\/\/)?\/[^()]*:\d+:\d+)\)?$/.exec(frame.trim());
    if (!found) continue;
    const file = decodeURI(found[1].replace(/^file:\/\//, '')).replace(/\?[^:]*/, '');
    if (!file.startsWith(ours) && !file.includes('/node_modules/')) return file;
  }
  return null;
}

/** The folder of our sources, or of what was built from them. */
const ours = decodeURI(new URL('..', import.meta.url).pathname);
