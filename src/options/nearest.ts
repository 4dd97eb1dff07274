/** The option that was probably meant by a name that none has. */
import { nearest } from '../ir/diagnostic.js';
import { elsewhere, elsewhereWithoutGroup } from './elsewhere.js';
import { snakeCase, underscored } from './names.js';
import { groupOf, leafOf, type OptionRow } from './rows.js';

/** What a name was probably meant for. */
export interface Meant {
  /** Null where none of ours is meant. */
  readonly option: OptionRow | null;
  /** How its value differs from what was written, or, of an option of others that has none here, what to do instead; null: no more to say. */
  readonly note: string | null;
  /** Whether it goes by what is known of the name, and not by likeness. */
  readonly isKnown: boolean;
}

/**
 * What `path` was probably meant for. In this order: an option of others that is in the table (`elsewhere.ts`); one of this name as other
 * frameworks or another case spell it, in this group and then in any; one of almost this name in this group, or of almost this path.
 */
export function meantBy(path: string, rows: readonly OptionRow[]): Meant {
  const given = spelled(path);
  const named = namedOption(given, rows);
  const known = elsewhere(given) ?? (named ? null : elsewhereWithoutGroup(given));
  if (known !== null && 'instead' in known) return { option: null, note: known.instead, isKnown: true };
  const theirs = rows.find((row) => row.path === known?.option);
  if (theirs) return { option: theirs, note: known?.note ?? null, isKnown: true };
  if (named) return { option: named, note: null, isKnown: true };
  return { option: likeOption(given, rows), note: null, isKnown: false };
}

function namedOption(given: string, rows: readonly OptionRow[]): OptionRow | null {
  const leaf = leafOf(given);
  const others = [...siblingsOf(given, rows), ...rows];
  return others.find((row) => leafOf(row.path) === leaf || row.also.includes(leaf)) ?? null;
}

function likeOption(given: string, rows: readonly OptionRow[]): OptionRow | null {
  const group = groupOf(given);
  const named = (name: string | null) => rows.find((row) => row.path === name) ?? null;
  const siblings = siblingsOf(given, rows).map((row) => leafOf(row.path));
  const sibling = nearest(leafOf(given), siblings);
  if (sibling) return named(group ? `${group}.${sibling}` : sibling);
  return named(
    nearest(
      given,
      rows.map((row) => row.path),
    ),
  );
}

const siblingsOf = (path: string, rows: readonly OptionRow[]): readonly OptionRow[] =>
  rows.filter((row) => groupOf(row.path) === groupOf(path));

/** In snake case. `TP` is a name in capitals, and not one in camel case. */
const spelled = (path: string): string =>
  underscored(path === path.toUpperCase() ? path.toLowerCase() : snakeCase(path));
