/** JSON that somebody else may have written. */

/**
 * JSON as a value; a byte-order mark before it is none of it. Throws an `Error` where it is none, or nests deeper than anything that is
 * written by hand or by a library.
 */
export function parseJson(text: string): unknown {
  return requireShallow(JSON.parse(text.replace(/^\uFEFF/, '')));
}

/**
 * As {@link parseJson}, of a format of ours. Throws an `Error` also where a field is called `__proto__`: what checks records passes over it
 * without a word.
 */
export function parseFields(text: string): unknown {
  const value = parseJson(text);
  if (hasPrototypeField(value)) throw new Error("a field is called '__proto__', as the prototype of every object is");
  return value;
}

const hasPrototypeField = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (Object.hasOwn(value, '__proto__') || Object.values(value).some(hasPrototypeField));

/** `value`, which was parsed. Throws an `Error` where it nests deeper than anything that is written by hand or by a library. */
export function requireShallow(value: unknown): unknown {
  if (nestsDeeper(value, deepest)) throw new Error(`it nests deeper than ${deepest} levels`);
  return value;
}

/** Levels. What reads a value walks it by recursion, which a few thousand levels end. */
const deepest = 64;

function nestsDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((member) => nestsDeeper(member, levels - 1));
}
