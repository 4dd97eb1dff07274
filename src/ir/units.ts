/** Numbers as people read them. */

/** `1.4 GB`; decimal units. */
export const bytesText = (bytes: number): string => `${withPrefix(bytes, ['', 'k', 'M', 'G', 'T', 'P'])}B`;

/** `36.2 k`, `14.2 M`, `175 B`: three digits, thousands of millions as models are named by them. */
export const countText = (count: number): string => withPrefix(count, ['', 'k', 'M', 'B', 'T']).trim();

/** `1 file`, `2 files`, `2 batches`. `noun`: in the singular, `plural`: how its plural ends. */
export const counted = (count: number, noun: string, plural = 's'): string =>
  `${count} ${noun}${count === 1 ? '' : plural}`;

/** `1:05`, `2:03:04`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const minutes = Math.floor(whole / 60) % 60;
  const two = (value: number) => String(value).padStart(2, '0');
  return whole < 3600
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(whole / 3600)}:${two(minutes)}:${two(whole % 60)}`;
}

/** `12 µs`, `340 ms`, `1.24 s`, `12.4 s`. */
export function secondsText(seconds: number): string {
  if (seconds > 0 && seconds < 1e-4) return `${(seconds * 1e6).toFixed(seconds < 1e-5 ? 1 : 0)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

export const percentText = (share: number): string => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;

/** Four decimals of a loss, or `nan`. */
export const lossText = (loss: number): string =>
  Number.isFinite(loss) ? loss.toFixed(4) : String(loss).toLowerCase();

function withPrefix(value: number, prefixes: readonly string[]): string {
  let scaled = value;
  let power = 0;
  // 999.6 would print as 1000, which is 1.00 of the next prefix.
  while (Math.abs(scaled) >= 999.5 && power < prefixes.length - 1) {
    scaled /= 1000;
    power++;
  }
  const digits = power === 0 ? 0 : Math.abs(scaled) < 9.995 ? 2 : Math.abs(scaled) < 99.95 ? 1 : 0;
  return `${scaled.toFixed(digits)} ${prefixes[power]}`;
}
