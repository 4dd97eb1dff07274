/** A curve in one line of text. */

const bars = '▁▂▃▄▅▆▇█';

/** `values` as `width` bars or fewer, each the mean of its share of them; the range of the means fills the height. */
export function sparkline(values: readonly number[], width: number): string {
  const finite = values.filter(Number.isFinite);
  const columns = Math.min(width, finite.length);
  if (columns <= 0) return '';
  const means = Array.from({ length: columns }, (_, column) => {
    const part = finite.slice(
      Math.floor((column * finite.length) / columns),
      Math.floor(((column + 1) * finite.length) / columns),
    );
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  const low = Math.min(...means);
  const range = Math.max(...means) - low;
  return means.map((mean) => bars[range === 0 ? 0 : Math.round(((mean - low) / range) * (bars.length - 1))]).join('');
}
