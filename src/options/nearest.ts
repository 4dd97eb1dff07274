/** The option that was probably meant by a name that none has. */
import { nearest } from '../ir/diagnostic.js';
import { snakeCase, underscored } from './names.js';
import { groupOf, leafOf, type OptionRow } from './rows.js';

/**
 * The option that `path` was probably meant for; null where none is like it. In this order: one of this name as other frameworks
 * or another case spell it, in this group and then in any; one of almost this name in this group; one of this name, or almost this path,
 * anywhere.
 */
export function nearestOption(path: string, rows: readonly OptionRow[]): OptionRow | null {
  // `TP` is a name in capitals, and not one in camel case.
  const given = underscored(path === path.toUpperCase() ? path.toLowerCase() : snakeCase(path));
  const [leaf, group] = [leafOf(given), groupOf(given)];
  const siblings = rows.filter((row) => groupOf(row.path) === group);
  const others = [...siblings, ...rows];
  const elsewhere = others.find((row) => leafOf(row.path) === leaf || row.also.includes(leaf));
  if (elsewhere) return elsewhere;
  const named = (name: string | null) => rows.find((row) => row.path === name) ?? null;
  const sibling = nearest(
    leaf,
    siblings.map((row) => leafOf(row.path)),
  );
  if (sibling) return named(group ? `${group}.${sibling}` : sibling);
  return named(
    nearest(
      given,
      rows.map((row) => row.path),
    ),
  );
}
