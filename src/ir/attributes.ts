/** Attributes of ops: which an op takes, and of what kind each is. Checked where a node is made, so that a wrong name is no silent default. */
import { nearest } from './diagnostic.js';
import { unknownAttribute, wrongAttribute } from './diagnostics.js';
import { dtypes, type DType } from './dtype.js';
import type { Attributes, AttributeValue } from './graph.js';

/**
 * What an attribute may be. `factor`: a factor's name; `factors`: a list of them; `integers`: sizes or counts; `words`: any texts; `share`: a
 * number of at least 0 and below 1; `amount`: a number of at least 0; `count`: a whole one.
 */
export type AttributeKind =
  | 'number'
  | 'amount'
  | 'share'
  | 'count'
  | 'integer'
  | 'boolean'
  | 'dtype'
  | 'factor'
  | 'factors'
  | 'integers'
  | 'words';

/** Kinds by attribute. One whose kind ends in `?` may be absent. */
export type AttributeKinds = Readonly<Record<string, AttributeKind | `${AttributeKind}?`>>;

/** Throws where an attribute is none that the op takes, is of another kind, or is missing. */
export function checkAttributes(op: string, kinds: AttributeKinds, given: Attributes, path: string): void {
  for (const [name, value] of Object.entries(given)) {
    const kind = kinds[name] as AttributeKinds[string] | undefined;
    if (kind === undefined) {
      const takes = Object.keys(kinds);
      throw unknownAttribute({ op, attribute: name, takes, nearest: nearest(name, takes), path });
    }
    const wanted = kind.replace('?', '') as AttributeKind;
    if (!is[wanted](value)) throw wrongAttribute({ op, attribute: name, wants: words[wanted], value, path });
  }
  const missing = Object.entries(kinds).find(([name, kind]) => !kind.endsWith('?') && given[name] === undefined);
  if (!missing) return;
  const [attribute, kind] = missing;
  throw wrongAttribute({ op, attribute, wants: words[kind as AttributeKind], value: undefined, path });
}

/** The kinds of attributes that have defaults: what the defaults are, and may be absent. */
export const kindsOf = (defaults: Attributes): AttributeKinds =>
  Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [name, typeof value === 'boolean' ? 'boolean?' : 'number?']),
  );

const isNumber = (value: unknown): value is number => typeof value === 'number' && !Number.isNaN(value);
const isList = (value: unknown, each: (one: unknown) => boolean): boolean => Array.isArray(value) && value.every(each);
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const is: Readonly<Record<AttributeKind, (value: AttributeValue) => boolean>> = {
  number: isNumber,
  amount: (value) => isNumber(value) && value >= 0,
  share: (value) => isNumber(value) && value >= 0 && value < 1,
  count: (value) => Number.isInteger(value) && (value as number) >= 0,
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
  dtype: (value) => dtypes.includes(value as DType),
  factor: isText,
  factors: (value) =>
    isText(value) ||
    (isList(value, isText) && new Set(value as readonly string[]).size === (value as unknown[]).length),
  integers: (value) => isList(value, (one) => Number.isInteger(one) && (one as number) >= 0),
  words: (value) => isList(value, isText),
};

const words: Readonly<Record<AttributeKind, string>> = {
  number: 'a number',
  amount: 'a number of at least 0',
  share: 'a number of at least 0 and below 1',
  count: 'a whole number of at least 0',
  integer: 'a whole number',
  boolean: 'true or false',
  dtype: `one of ${dtypes.join(', ')}`,
  factor: "a factor's name",
  factors: 'a list of factors, each once',
  integers: 'a list of whole numbers',
  words: 'a list of texts',
};
