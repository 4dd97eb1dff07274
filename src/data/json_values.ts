/**
 * JSON values one after another, found in the bytes of a text before they are parsed: a list of a gigabyte is never one value, and work
 * on it can rest between two. Four forms: lines of values (JSON Lines), lines of which some values take several, one list of values, and
 * values that may go over any lines.
 */

/** A value where it stands. */
export interface JsonValue {
  readonly value: unknown;
  /** The line in which it begins, from 1. */
  readonly line: number;
  /** Its number, from 1, where lines do not tell values apart; null where they do. */
  readonly number: number | null;
}

/** What is no JSON, where it stands. */
export interface JsonFault {
  readonly fault: string;
  readonly line: number;
}

/**
 * The values of a text, and where it is none a fault, after which nothing comes in the forms that are not of lines. Of a text that is cut (`isCut`)
 * the last value may be left out: what is not whole is no fault then.
 */
export function* jsonValues(text: Buffer, form: JsonForm, isCut: boolean): Generator<JsonValue | JsonFault> {
  if (form === 'lines') yield* lines(text, isCut);
  else if (form === 'mixed') yield* mixed(text, isCut);
  else yield* values(text, form, isCut);
}

export type JsonForm = 'lines' | 'mixed' | 'list' | 'values';

/** How values stand in a text; null where it begins with neither an object nor a list. `lines`: its name says JSON Lines. */
export function jsonForm(text: Buffer, { namedLines }: { readonly namedLines: boolean }): JsonForm | null {
  const start = afterSpace(text, 0);
  if (text[start] === OPEN_LIST) return 'list';
  if (text[start] !== OPEN_OBJECT) return null;
  const end = lineEnd(text, start);
  if (namedLines) return 'lines';
  return isWhole(text, start, end) ? 'mixed' : 'values';
}

const [QUOTE, BACKSLASH, COMMA, NEWLINE] = [0x22, 0x5c, 0x2c, 0x0a];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];

/** Whether an object that begins at `start` ends where `end` is, but for white space. */
function isWhole(text: Buffer, start: number, end: number): boolean {
  const closed = valueEnd(text, start, end);
  return closed !== null && afterSpace(text, closed) >= end;
}

function* lines(text: Buffer, isCut: boolean): Generator<JsonValue | JsonFault> {
  for (let [start, line] = [0, 1]; start < text.length; line++) {
    const end = lineEnd(text, start);
    // Without its end a line may not be whole.
    if (isCut && end === text.length) return;
    if (afterSpace(text, start) < end) {
      const parsed = parse(text, start, end);
      yield 'fault' in parsed ? { ...parsed, line } : { ...parsed, line, number: null };
    }
    start = end + 1;
  }
}

/** Of what is no value the line is left out. */
function* mixed(text: Buffer, isCut: boolean): Generator<JsonValue | JsonFault> {
  // Once a value that goes over lines was none, each has to end in its line: the whole text is looked through for an end but once.
  let mayContinue = true;
  const lineOf = lineCounter(text);
  let lineBefore = 0;
  for (let [at, number] = [afterSpace(text, 0), 1]; at < text.length; number++) {
    const line = lineOf(at);
    const end = lineEnd(text, at);
    const inLine = valueEnd(text, at, end);
    const closed = inLine ?? (mayContinue ? valueEnd(text, at, text.length) : null);
    const parsed = parse(text, at, closed ?? end);
    if ('fault' in parsed) {
      if (inLine === null) mayContinue = false;
      // What a cut text ends with is not whole; what other values follow is a fault.
      const next = afterSpace(text, end);
      if (isCut && closed === null && !(text[next] === OPEN_OBJECT && isWhole(text, next, lineEnd(text, next)))) return;
      yield { ...parsed, line };
    } else yield { ...parsed, line, number: line === lineBefore ? number : null };
    lineBefore = line;
    at = afterSpace(text, 'fault' in parsed ? end : (closed ?? end));
  }
}

function* values(text: Buffer, form: 'list' | 'values', isCut: boolean): Generator<JsonValue | JsonFault> {
  const lineOf = lineCounter(text);
  const isList = form === 'list';
  let at = afterSpace(text, 0) + (isList ? 1 : 0);
  for (let number = 1; ; number++) {
    at = afterSpace(text, at);
    if (isList && text[at] === CLOSE_LIST && number === 1) break;
    if (at >= text.length) {
      if (isList && !isCut) yield { fault: 'it ends within the list', line: lineOf(at) };
      return;
    }
    const end = valueEnd(text, at, text.length);
    if (end === null) {
      if (!isCut) yield { fault: 'it ends within a value', line: lineOf(at) };
      return;
    }
    const parsed = parse(text, at, end);
    yield 'fault' in parsed ? { ...parsed, line: lineOf(at) } : { ...parsed, line: lineOf(at), number };
    if ('fault' in parsed) return;
    at = afterSpace(text, end);
    if (!isList) continue;
    if (text[at] === CLOSE_LIST) break;
    if (at >= text.length) continue;
    if (text[at] !== COMMA) return yield { fault: 'a comma or the end of the list is missing', line: lineOf(at) };
    at++;
  }
  at = afterSpace(text, at + 1);
  if (at < text.length) yield { fault: 'something comes after the list', line: lineOf(at) };
}

/** The line of a place, from 1; each asked for lies behind the one before. */
function lineCounter(text: Buffer): (at: number) => number {
  let [line, newline] = [1, text.indexOf(NEWLINE)];
  return (at) => {
    for (; newline >= 0 && newline < at; newline = text.indexOf(NEWLINE, newline + 1)) line++;
    return line;
  };
}

/** Where the value ends that begins at `start`; null where `end` comes before. What is between need not be JSON. */
function valueEnd(text: Buffer, start: number, end: number): number | null {
  for (let [at, depth] = [start, 0]; at < end; at++) {
    switch (text[at]) {
      case QUOTE: {
        const close = stringEnd(text, at + 1);
        if (close < 0 || close >= end) return null;
        at = close;
        if (depth === 0) return at + 1;
        break;
      }
      case OPEN_OBJECT:
      case OPEN_LIST:
        depth++;
        break;
      case CLOSE_OBJECT:
      case CLOSE_LIST:
        if (depth === 0) return at;
        if (--depth === 0) return at + 1;
        break;
      default:
        // A number or a word: it ends before what cannot be in one.
        if (depth === 0 && at > start && (isSpace(text[at]) || text[at] === COMMA)) return at;
    }
  }
  return null;
}

/** Where the string closes whose content begins at `at`; −1 where it does not. */
function stringEnd(text: Buffer, at: number): number {
  for (let quote = text.indexOf(QUOTE, at); quote >= 0; quote = text.indexOf(QUOTE, quote + 1)) {
    let first = quote;
    while (first > at && text[first - 1] === BACKSLASH) first--;
    if ((quote - first) % 2 === 0) return quote;
  }
  return -1;
}

function parse(text: Buffer, start: number, end: number): { readonly value: unknown } | { readonly fault: string } {
  try {
    return { value: JSON.parse(text.toString('utf8', start, end)) };
  } catch (error) {
    return { fault: (error as Error).message };
  }
}

function lineEnd(text: Buffer, start: number): number {
  const end = text.indexOf(NEWLINE, start);
  return end < 0 ? text.length : end;
}

function afterSpace(text: Buffer, at: number): number {
  while (at < text.length && isSpace(text[at])) at++;
  return at;
}

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
