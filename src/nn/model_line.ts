/** The line of a model's own code that was refused or failed: of all that is on the stack, what people can change. */
import { DiagnosticError, nearest } from '../ir/diagnostic.js';
import { Tensor } from '../ir/tensor.js';
import { ops } from '../ops/index.js';
import { modelFails } from './diagnostics.js';

/**
 * Runs model code. What is refused in it is told with the line that asked for it, where that is no code of this package; what fails in it
 * otherwise is told as `nn/model-fails`, with that line too.
 */
export function tellingLine<T>(body: () => T): T {
  // The line may lie below many frames of ours.
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  try {
    return body();
  } catch (error) {
    const line = error instanceof Error ? modelLine(error.stack ?? '') : null;
    if (error instanceof DiagnosticError) {
      if (line === null) throw error;
      const where = [...(error.diagnostic.where ?? []), { at: line }];
      throw new DiagnosticError(error.code, { ...error.diagnostic, where }, { cause: error });
    }
    // Without a line of theirs it is a fault of ours, and its own stack says most.
    if (error instanceof Error && line === null) throw error;
    throw modelFails(failureOf(error, line), { cause: error });
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** `/home/me/model.ts:12:5`, of the innermost frame that is neither ours nor an installed package's; null where there is none. */
export function modelLine(stack: string): string | null {
  for (const frame of stack.split('\n')) {
    // What is further out asked for the trace, and wrote no model.
    if (frame.includes(` ${tellingLine.name} `)) return null;
    const found = /(?:\(|at (?:async )?)((?:file:\/\/)?\/[^()]*:\d+:\d+)\)?$/.exec(frame.trim());
    if (!found) continue;
    const file = decodeURI(found[1].replace(/^file:\/\//, '')).replace(/\?[^:]*/, '');
    if (!ours.some((folder) => file.startsWith(folder)) && !file.includes('/node_modules/')) return file;
  }
  return null;
}

/** The folders of our sources and of what was built from them: a stack names either, by whether source maps are on. */
const root = decodeURI(new URL('..', import.meta.url).pathname).replace(/\/(dist\/)?(src\/)?$/, '/');
const ours = [`${root}src/`, `${root}dist/`];

/** What failed, and of a method that is not there what was meant. */
function failureOf(error: unknown, line: string | null) {
  const problem = error instanceof Error ? error.message : String(error);
  const missing = /\.([\p{L}\p{N}_$]+) is not a function/u.exec(problem)?.[1] ?? null;
  const op = missing === null ? null : opCalled(missing);
  const method = missing === null || op !== null ? null : nearest(missing, methods);
  return { problem, line, op, method };
}

/** An op by its name as a method's would be written: `softmaxCrossEntropy` is `softmax_cross_entropy`. */
function opCalled(name: string): string | null {
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return [name, snake].find((known) => ops.has(known)) ?? null;
}

const methods = Object.getOwnPropertyNames(Tensor.prototype).filter((name) => name !== 'constructor');
