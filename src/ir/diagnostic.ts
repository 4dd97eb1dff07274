/**
 * Diagnostics: everything Flotilla refuses or warns of, as data.
 *
 * A diagnostic has a stable code (`folder/what-is-wrong`), what happened, why it matters, where, and what to do about it. Each folder
 * declares its own in `diagnostics.ts` with {@link defineDiagnostic}; throwing one is `throw someDiagnostic({ … })`.
 */

/** One place that a diagnostic points at: an op, a rank, a file and field, an instruction. */
export interface Place {
  readonly at: string;
  readonly note?: string;
}

/** The content of a diagnostic, before it is rendered. */
export interface DiagnosticText {
  /** What happened, in one sentence without a full stop. */
  readonly what: string;
  /** Why it matters or how it came about. */
  readonly why?: string;
  /** Where: op, rank, file and field. */
  readonly where?: readonly Place[];
  /** What to do. */
  readonly fix: string;
}

/** The error that carries a diagnostic. `code` is stable; `message` is the rendered text. */
export class DiagnosticError extends Error {
  readonly code: string;
  readonly diagnostic: DiagnosticText;

  constructor(code: string, diagnostic: DiagnosticText, options?: ErrorOptions) {
    super(renderDiagnostic(code, diagnostic), options);
    this.name = 'DiagnosticError';
    this.code = code;
    this.diagnostic = diagnostic;
    // The message says it all: whoever prints an error with its properties would print it twice.
    Object.defineProperty(this, 'diagnostic', { enumerable: false });
  }

  /** What Node prints for it, in `console.log` and the like: the message, which is for a person. FLOTILLA_VERBOSE adds where it was raised. */
  [Symbol.for('nodejs.util.inspect.custom')](
    _depth: number,
    options: object,
    inspect: (value: unknown, options: object) => string,
  ): string {
    return isVerbose() ? inspect(this, { ...options, customInspect: false }) : this.message;
  }
}

/** Whether FLOTILLA_VERBOSE asks for where in the code an error was raised. */
export const isVerbose = (): boolean => Boolean(globalThis.process?.env.FLOTILLA_VERBOSE);

/** A factory of one kind of diagnostic: parameters in, an error to throw out. */
export interface DiagnosticFactory<P> {
  (parameters: P, options?: ErrorOptions): DiagnosticError;
  readonly code: string;
}

/** Declares a kind of diagnostic. `code` is `folder/what-is-wrong`, unique in the project. */
export function defineDiagnostic<P>(code: string, text: (parameters: P) => DiagnosticText): DiagnosticFactory<P> {
  const factory = (parameters: P, options?: ErrorOptions): DiagnosticError => {
    const error = new DiagnosticError(code, text(parameters), options);
    // Where it was raised is of interest, and not that it was made here.
    Error.captureStackTrace?.(error, factory);
    return error;
  };
  return Object.assign(factory, { code });
}

/** Renders a diagnostic as a person reads it. */
export function renderDiagnostic(code: string, { what, why, where, fix }: DiagnosticText): string {
  const lines = [`${what} [${code}]`];
  if (why) lines.push(`  why    ${why}`);
  for (const place of where ?? []) lines.push(`  where  ${place.at}${place.note ? ` (${place.note})` : ''}`);
  lines.push(`  fix    ${fix}`);
  return lines.join('\n').replace(controlCharacters, escaped);
}

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** All but tabs and line ends. A name in somebody's file may hold what tells a terminal to do something. */
// eslint-disable-next-line no-control-regex
const controlCharacters = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/**
 * The candidate nearest to `word` by edit distance, or null where none is near enough to be what was meant: within `limit`, by default a
 * third of the word and at least one.
 */
export function nearest(
  word: string,
  candidates: Iterable<string>,
  limit = Math.max(1, Math.floor(word.length / 3)),
): string | null {
  let best: string | null = null;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    // Every letter more or less is an edit: names of other lengths need not be looked at, however long they are.
    if (Math.abs(word.length - candidate.length) >= bestDistance) continue;
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let [before, previous] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      current[j] = Math.min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) current[j] = Math.min(current[j], before[j - 2] + 1);
    }
    [before, previous] = [previous, current];
  }
  return previous[b.length];
}
