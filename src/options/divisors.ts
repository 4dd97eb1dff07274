/** All divisors of a number, the smallest first. */
export function divisorsOf(n: number): readonly number[] {
  const found: number[] = [];
  for (let d = 1; d * d <= n; d++) if (n % d === 0) found.push(d, ...(d * d < n ? [n / d] : []));
  return found.sort((a, b) => a - b);
}

/** The largest divisor of a number below another, and the smallest above it, of those that are more than one. */
export function divisorsNear(of: number, near: number): readonly number[] {
  const all = divisorsOf(of).filter((n) => n > 1);
  return [all.findLast((n) => n < near), all.find((n) => n > near)].filter((n) => n !== undefined);
}
