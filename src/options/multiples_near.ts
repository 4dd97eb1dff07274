/** The multiples of `step` next to `value`, positive: what a refusal of `value` offers. */
export function multiplesNear(value: number, step: number): readonly number[] {
  const below = Math.floor(value / step) * step;
  return [below, below + step].filter((multiple) => multiple > 0);
}
