/**
 * Records: JSON objects, each with a text in one of its fields. What a file is, its content says, and its name only what it must be:
 *
 *   .jsonl, .ndjson, .json    records, or refused: one object a line, a list of objects, or one object or several, over any lines
 *   any other                 records where all of it is objects that have the field; text otherwise, which may begin with a brace
 *
 * An ending that says how a file is compressed is left out of its name first.
 */
import { nearest } from '../ir/diagnostic.js';
import { withoutCompression } from './decompress.js';
import type { InParts } from './in_parts.js';
import { jsonForm, jsonValues } from './json_values.js';
import { isPlain } from '../options/plain.js';

export interface RecordText {
  /** The number of the line in JSON Lines, as in `a.jsonl:3`; otherwise that of the record, as in `a.json#3`. */
  readonly name: string;
  readonly text: string;
}

/** Something about records that has to be told, with the first place where it is so. */
export interface Tally {
  readonly count: number;
  /** A line. */
  readonly first: number;
}

export interface BadRecords extends Tally {
  readonly reason: string;
  /** The name that is likely meant, where it is the field that is missing. */
  readonly meant: string | null;
}

/** What a text comes to that is read as records. */
export interface Records {
  readonly texts: readonly RecordText[];
  /** How many there are, with those that are left out. */
  readonly records: number;
  /** Left out: null in place of a text. */
  readonly nulls: Tally | null;
  /** Left out: a text without anything to be seen. */
  readonly blanks: Tally | null;
  /** What is no record, the first kind of it. */
  readonly bad: BadRecords | null;
  /** Whether the first value is an object: it looks like records, whatever comes then. */
  readonly beginsWithObject: boolean;
}

/** What the name of a file says of its content. `lines` and `json`: it must be records. */
export type NamedAs = 'lines' | 'json' | 'other';

export function namedAs(path: string): NamedAs {
  const ending = /\.(jsonl|ndjson|json)$/i.exec(withoutCompression(path))?.[1].toLowerCase();
  return ending === undefined ? 'other' : ending === 'json' ? 'json' : 'lines';
}

export interface RecordOptions {
  /** The field that holds the text: a name, or names with dots between from the outside in. */
  readonly field: string;
  readonly namedAs: NamedAs;
  /** Whether the file goes on behind `text`, so that the last record may not be whole. */
  readonly isCut: boolean;
}

/** Reads a text as records; null where it begins with no JSON object or list. What need not be records is read as far as it is. */
export function* readRecords(text: Buffer, { field, namedAs, isCut }: RecordOptions): InParts<Records | null> {
  const form = jsonForm(text, { namedLines: namedAs === 'lines' });
  if (form === null) return null;
  const names = field.split('.');
  const texts: RecordText[] = [];
  const [nulls, blanks, bad] = [new Counted(), new Counted(), new Counted()];
  let [records, beginsWithObject] = [0, false];
  let reason: Pick<BadRecords, 'reason' | 'meant'> | null = null;
  for (const one of jsonValues(text, form, isCut)) {
    yield { done: records, total: records, unit: 'records' };
    if (records++ === 0) beginsWithObject = 'value' in one && isPlain(one.value);
    const found = 'fault' in one ? { reason: one.fault, meant: null } : textOf(one.value, field, names);
    if (typeof found === 'object' && found !== null) {
      bad.add(one.line);
      reason ??= found;
      if (namedAs === 'other') break;
    } else if (found === null) nulls.add(one.line);
    else if (!/\S/.test(found)) blanks.add(one.line);
    else texts.push({ name: 'fault' in one || one.number === null ? `:${one.line}` : `#${one.number}`, text: found });
  }
  const counted = bad.tally();
  return {
    texts,
    records,
    nulls: nulls.tally(),
    blanks: blanks.tally(),
    beginsWithObject,
    bad: counted !== null && reason !== null ? { ...counted, ...reason } : null,
  };
}

/** The text of a record, null where it has none there, or why it has no place for one. */
function textOf(
  record: unknown,
  field: string,
  names: readonly string[],
): string | null | Pick<BadRecords, 'reason' | 'meant'> {
  if (!isPlain(record)) return { reason: `${kindOf(record)} where an object is expected`, meant: null };
  // A field whose own name has dots in it comes first.
  let value: unknown = Object.hasOwn(record, field) ? record[field] : record;
  if (!Object.hasOwn(record, field)) {
    for (const [depth, name] of names.entries()) {
      const above = names.slice(0, depth).join('.');
      if (value === null) return null;
      if (!isPlain(value)) return { reason: `'${above}' is ${kindOf(value)}, and has no '${name}' in it`, meant: null };
      if (!Object.hasOwn(value, name)) {
        const there = Object.keys(value);
        const meant = nearest(name, there);
        return {
          reason: missing(field, above, there),
          meant: meant === null ? null : [...names.slice(0, depth), meant].join('.'),
        };
      }
      value = value[name];
    }
  }
  if (value === null || typeof value === 'string') return value;
  return { reason: `'${field}' is ${kindOf(value)}, not a text`, meant: null };
}

function missing(field: string, above: string, there: readonly string[]): string {
  const has =
    there.length === 0
      ? 'nothing'
      : there
          .slice(0, 6)
          .map((name) => `'${name.slice(0, 40)}'`)
          .join(', ');
  return `there is no field '${field}'; ${above === '' ? 'there' : `in '${above}'`} is ${has}${there.length > 6 ? ' …' : ''}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : typeof value === 'string' ? 'a text' : `a ${typeof value}`;
}

class Counted {
  private count = 0;
  private first = 0;

  add(line: number): void {
    if (this.count++ === 0) this.first = line;
  }

  tally(): Tally | null {
    return this.count === 0 ? null : { count: this.count, first: this.first };
  }
}
