/** Short texts that show whether a tokenizer's regular expressions end. */

/**
 * Runs of one character or of a pair, with one behind that ends a match: what an expression that takes exponential time takes it on. The
 * characters are those of the file's own expressions, and one of each usual kind.
 */
export function probeTexts(expressions: readonly string[]): readonly string[] {
  const written = expressions.flatMap((expression) => [...expression.slice(0, longestExpression)]);
  const single = new Set(['a', 'A', '0', ' ', '\n', '.', 'é', '中', ...written]);
  const pairs = new Set(written.slice(1).map((character, i) => written[i] + character));
  const run = (unit: string) => unit.repeat(probeRepetitions);
  return [...single, ...pairs].flatMap((unit) => [`${run(unit)}\u0001`, `${run(unit)}!`]);
}

/** 2⁴⁸ ways to match a run take days, a pair's too: each repetition doubles them. */
const probeRepetitions = 48;

/** Of the longest probe. */
export const probeCharacters = 2 * probeRepetitions;

/** Characters of an expression that are tried; the longest that is published has 300. */
const longestExpression = 2000;

/** The regular expressions of a tokenizer.json, wherever they stand. */
export function expressionsOf(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) =>
    name === 'Regex' && typeof member === 'string' ? [member] : expressionsOf(member),
  );
}
