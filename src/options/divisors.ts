/** All divisors of a number, the smallest first. */
export function divisorsOf(n: number): readonly number[] {
  const found: number[] = [];
  for (let d = 1; d * d <= n; d++) if (n % d === 0) found.push(d, ...(d * d < n ? [n / d] : []));
  return found.sort((a, b) => a - b);
}
