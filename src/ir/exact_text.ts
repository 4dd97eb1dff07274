/** JSON that also tells numbers apart which JSON has no form for. */
export const exactText = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'number' && (!Number.isFinite(part) || Object.is(part, -0))
      ? { number: Object.is(part, -0) ? '-0' : String(part) }
      : part,
  ) ?? 'undefined';
