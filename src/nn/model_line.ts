/** The line of a model's own code that was refused: of all that is on the stack, what people can change. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
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

/** `model.ts:12:5`, of the innermost frame that is neither ours nor Node's nor an installed package's; null where there is none. */
export function modelLine(stack: string): string | null {
  for (const frame of stack.split('\n')) {
    const found = /(?:\(|at (?:async )?)((?:file:\/\/)?\/[^()]*):(\d+):(\d+)\)?$/.exec(frame.trim());
    if (!found) continue;
    const [, place, row, column] = found;
    const file = place.startsWith('file:') ? fileURLToPath(place.replace(/\?.*$/, '')) : place.replace(/\?.*$/, '');
    if (file.startsWith(ours) || file.includes(`${path.sep}node_modules${path.sep}`)) continue;
    const near = path.relative(process.cwd(), file);
    return `${near.startsWith('..') ? file : near}:${row}:${column}`;
  }
  return null;
}

/** The folder of our sources, or of what was built from them. */
const ours = fileURLToPath(new URL('..', import.meta.url));
