/** Plain data: what a configuration is before it is checked. */

export type Plain = Readonly<Record<string, unknown>>;

export function isPlain(value: unknown): value is Plain {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A value as a message shows it. */
export function textOf(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = jsonOrWords(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** JSON as far as a value has one; a circle and a bigint have none. */
function jsonOrWords(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return 'an object that is no plain data';
  }
}
