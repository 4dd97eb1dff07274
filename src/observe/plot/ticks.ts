/** Where an axis is labelled. */

export interface Axis {
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly isLog: boolean;
  readonly ticks: readonly Tick[];
}

export interface Tick {
  readonly at: number;
  readonly text: string;
}

/** Round numbers within [min, max], about `count` of them: steps of 1, 2 or 5 times a power of ten. */
export function linearTicks(min: number, max: number, count: number): readonly Tick[] {
  if (!(max > min)) return [{ at: min, text: tickText(min, 0) }];
  const rough = (max - min) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9)) ?? 10);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const first = Math.ceil(min / step - 1e-9);
  const last = Math.floor(max / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, k) => {
    const at = (first + k) * step;
    return { at, text: tickText(at, decimals) };
  });
}

/** Powers of ten within [min, max], with 2 and 5 between them where there are few. `min` above 0. */
export function logTicks(min: number, max: number, count: number): readonly Tick[] {
  const decades = Math.log10(max / min);
  const factors = decades * 3 <= count ? [1, 2, 5] : [1];
  const every = factors.length > 1 ? 1 : Math.max(1, Math.ceil(decades / Math.max(1, count)));
  const ticks: Tick[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++) {
    if (power % every !== 0) continue;
    for (const factor of factors) {
      const at = factor * 10 ** power;
      if (at >= min * (1 - 1e-9) && at <= max * (1 + 1e-9)) ticks.push({ at, text: tickText(at, Math.max(0, -power)) });
    }
  }
  return ticks;
}

/** `1500`, `20 k`, `4.5`. */
function tickText(value: number, decimals: number): string {
  if (decimals === 0 && Math.abs(value) >= 10_000 && value % 100 === 0) {
    if (value % 1e6 === 0) return `${value / 1e6} M`;
    return `${value / 1000} k`;
  }
  return value.toFixed(decimals);
}

/** Where a value lies on an axis: 0 at its beginning, 1 at its end. */
export function placeOn({ min, max, isLog }: Axis, value: number): number {
  if (!(max > min)) return 0.5;
  return isLog ? Math.log(value / min) / Math.log(max / min) : (value - min) / (max - min);
}
