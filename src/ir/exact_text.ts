/** JSON that also tells numbers apart which JSON has no form for. */
export function exactText(value: unknown): string {
  if (hasForm(value) || (Array.isArray(value) && value.every(hasForm))) return JSON.stringify(value);
  return (
    JSON.stringify(value, (_, part: unknown) =>
      typeof part === 'number' && !hasForm(part) ? { number: Object.is(part, -0) ? '-0' : String(part) } : part,
    ) ?? 'undefined'
  );
}

/** True of what JSON writes as it is, without a look at its parts. */
const hasForm = (value: unknown): boolean =>
  typeof value === 'number'
    ? Number.isFinite(value) && !Object.is(value, -0)
    : typeof value === 'string' || typeof value === 'boolean';
