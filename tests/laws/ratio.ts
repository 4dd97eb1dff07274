/** Ratios in words: what counts a thing twice, or leaves a half out, is told by them. */

/** How many times what one device has: `2×` is counted twice, `1/2×` a half left out. */
export function ratioText(serial: number, parallel: number): string {
  const isWhole = (x: number) => Math.abs(x - Math.round(x)) <= 1e-6 * Math.abs(x);
  const ratio = parallel / serial;
  if (!Number.isFinite(ratio)) return '∞×';
  const beside = Math.abs(ratio - 1);
  if (ratio !== 1 && beside < 1e-3) return `1 ${ratio > 1 ? '+' : '−'} ${beside.toExponential(0)}×`;
  if (isWhole(ratio)) return `${Math.round(ratio)}×`;
  if (isWhole(1 / ratio)) return `1/${Math.round(1 / ratio)}×`;
  return `${ratio.toPrecision(4)}×`;
}
