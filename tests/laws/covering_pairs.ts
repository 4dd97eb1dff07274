/**
 * Covering arrays of strength two: few rows in which every two values of every two settings stand together (Cohen et al. 1997, "The AETG
 * system", §2). Most faults need two settings to meet, few need three (Kuhn et al. 2004).
 */

/** Setting → its values. */
export type Settings = Readonly<Record<string, readonly (string | number)[]>>;

/** One value of each setting. */
export type Row<S extends Settings> = { readonly [K in keyof S]: S[K][number] };

/** Whether there is such a program at all. */
export type Legal<S extends Settings> = (row: Row<S>) => boolean;

/** Legal rows that cover every pair which a legal row has: the row that adds the most is taken until none is missing, the first of equals. */
export function coveringRows<const S extends Settings>(settings: S, legal: Legal<S> = () => true): readonly Row<S>[] {
  const candidates = allRows(settings).filter(legal);
  const missing = new Set(pairsOf(candidates));
  const rows: Row<S>[] = [];
  while (missing.size > 0) {
    const adds = (row: Row<S>) => pairsOf([row]).filter((pair) => missing.has(pair)).length;
    const best = candidates.reduce((found, row) => (adds(row) > adds(found) ? row : found));
    for (const pair of pairsOf([best])) missing.delete(pair);
    rows.push(best);
  }
  return rows;
}

/** Pairs of values that stand together in none of the rows, and in a legal one, as text. */
export function missingPairs<S extends Settings>(
  settings: S,
  rows: readonly Row<S>[],
  legal: Legal<S> = () => true,
): readonly string[] {
  const covered = new Set(pairsOf(rows));
  return pairsOf(allRows(settings).filter(legal)).filter((pair) => !covered.has(pair));
}

/** Pairs of values that no legal row has, as text. */
export function impossiblePairs<S extends Settings>(settings: S, legal: Legal<S>): readonly string[] {
  const all = allRows(settings);
  const possible = new Set(pairsOf(all.filter(legal)));
  return pairsOf(all).filter((pair) => !possible.has(pair));
}

/** The coverage of rows, as a table and a line. */
export function coverageText<S extends Settings>(
  settings: S,
  rows: readonly Row<S>[],
  legal: Legal<S> = () => true,
): string {
  const names = Object.keys(settings);
  const all = pairsOf(allRows(settings).filter(legal)).length;
  const missing = missingPairs(settings, rows, legal);
  const width = (name: string) => Math.max(name.length, ...settings[name].map((value) => String(value).length)) + 2;
  const line = (cells: readonly unknown[]) => cells.map((cell, i) => String(cell).padEnd(width(names[i]))).join('');
  return [
    line(names),
    ...rows.map((row) => line(names.map((name) => row[name]))),
    `${all - missing.length} of ${all} pairs of values in ${rows.length} programs`,
    ...missing.map((pair) => `missing: ${pair}`),
    ...impossiblePairs(settings, legal).map((pair) => `in no program: ${pair}`),
  ].join('\n');
}

/** How many pairs of values stand together in a row. */
export const coveredPairs = (rows: readonly Readonly<Record<string, string | number>>[]): number =>
  pairsOf(rows).length;

/** Each pair once. */
function pairsOf<S extends Settings>(rows: readonly Row<S>[]): readonly string[] {
  const pairs = rows.flatMap((row) => {
    const values = Object.entries(row).map(([name, value]) => `${name} ${value}`);
    return values.flatMap((a, i) => values.slice(i + 1).map((b) => `${a}, ${b}`));
  });
  return [...new Set(pairs)];
}

function allRows<S extends Settings>(settings: S): readonly Row<S>[] {
  let rows: readonly object[] = [{}];
  for (const [name, values] of Object.entries(settings))
    rows = rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value })));
  return rows as readonly Row<S>[];
}
