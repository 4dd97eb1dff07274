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
  const numbers = new Numbers();
  const coded = candidates.map((row) => numbers.of(row));
  const missing = new Uint8Array(numbers.count ** 2);
  forEachPair(coded, (a, b) => (missing[a * numbers.count + b] = 1));
  let left = missing.reduce((sum, one) => sum + one, 0);
  // What a row would add only falls: where it was not enough, it is not counted again.
  const atMost = new Int32Array(candidates.length).fill(left);
  const rows: Row<S>[] = [];
  while (left > 0) {
    let [best, most] = [0, 0];
    for (const [i, row] of coded.entries()) {
      if (atMost[i] <= most) continue;
      let adds = 0;
      forEachPair([row], (a, b) => (adds += missing[a * numbers.count + b]));
      atMost[i] = adds;
      if (adds > most) [best, most] = [i, adds];
    }
    forEachPair([coded[best]], (a, b) => (missing[a * numbers.count + b] = 0));
    left -= most;
    rows.push(candidates[best]);
  }
  return rows;
}

/** Pairs of values that stand together in none of the rows, and in a legal one, as text. */
export const missingPairs = <S extends Settings>(
  settings: S,
  rows: readonly Row<S>[],
  legal: Legal<S> = () => true,
): readonly string[] => pairsBut(allRows(settings).filter(legal), rows);

/** Pairs of values that no legal row has, as text. */
export function impossiblePairs<S extends Settings>(settings: S, legal: Legal<S>): readonly string[] {
  const all = allRows(settings);
  return pairsBut(all, all.filter(legal));
}

/** The coverage of rows, as a table and a line. */
export function coverageText<S extends Settings>(
  settings: S,
  rows: readonly Row<S>[],
  legal: Legal<S> = () => true,
): string {
  const names = Object.keys(settings);
  const all = coveredPairs(allRows(settings).filter(legal));
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
export const coveredPairs = (rows: readonly AnyRow[]): number => new Numbers().pairs(rows).size;

/** Pairs of the first rows that none of the others has, as text. */
function pairsBut(rows: readonly AnyRow[], others: readonly AnyRow[]): readonly string[] {
  const numbers = new Numbers();
  const covered = numbers.pairs(others);
  return [...numbers.pairs(rows)].filter((pair) => !covered.has(pair)).map((pair) => numbers.text(pair));
}

type AnyRow = Readonly<Record<string, string | number>>;

/** Values under numbers, in the order in which they are met: a pair of them is a number too. Rows are many. */
class Numbers {
  private readonly known = new Map<string, Map<string | number, number>>();
  private readonly texts: string[] = [];

  get count(): number {
    return this.texts.length;
  }

  of(row: AnyRow): readonly number[] {
    return Object.entries(row).map(([name, value]) => {
      let values = this.known.get(name);
      if (!values) this.known.set(name, (values = new Map<string | number, number>()));
      let number = values.get(value);
      if (number === undefined) values.set(value, (number = this.texts.push(`${name} ${value}`) - 1));
      return number;
    });
  }

  /** Each pair once. */
  pairs(rows: readonly AnyRow[]): ReadonlySet<number> {
    const pairs = new Set<number>();
    forEachPair(
      rows.map((row) => this.of(row)),
      (a, b) => pairs.add(a * room + b),
    );
    return pairs;
  }

  text(pair: number): string {
    return `${this.texts[Math.floor(pair / room)]}, ${this.texts[pair % room]}`;
  }
}

/** More than there are values. */
const room = 2 ** 20;

function forEachPair(rows: readonly (readonly number[])[], visit: (a: number, b: number) => void): void {
  for (const row of rows)
    for (let i = 0; i < row.length; i++) for (let j = i + 1; j < row.length; j++) visit(row[i], row[j]);
}

function allRows<S extends Settings>(settings: S): readonly Row<S>[] {
  let rows: readonly object[] = [{}];
  for (const [name, values] of Object.entries(settings))
    rows = rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value })));
  return rows as readonly Row<S>[];
}
