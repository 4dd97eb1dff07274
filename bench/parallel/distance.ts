/** Whether a side trains as one process does: its first losses and gradient norms beside those of plain PyTorch. */
import type { RunAnswer } from '../contestant/process.js';

/** Largest relative differences. A loss alone does not tell a gradient that is twice as large: AdamW and clipping do not, either. */
export interface Distance {
  readonly losses: number;
  readonly norms: number;
}

type Shown = Pick<RunAnswer, 'losses' | 'gradient_norms'>;

/** bf16 differs by its rounding, which follows the order of sums and what is gathered in which type. */
export const mostDistance: Readonly<Record<'f32' | 'bf16', Distance>> = {
  f32: { losses: 1e-4, norms: 1e-3 },
  bf16: { losses: 5e-3, norms: 5e-2 },
};

export function distanceOf(side: Shown, serial: Shown): Distance {
  const furthest = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((x, i) => Math.abs(x / b[i] - 1)));
  return {
    losses: furthest(side.losses, serial.losses),
    norms: furthest(side.gradient_norms, serial.gradient_norms),
  };
}

/** Throws where a side is further from one process than the type explains. */
export function requireNear(side: string, { losses, norms }: Distance, most: Distance): void {
  // NaN is near nothing.
  if (losses <= most.losses && norms <= most.norms) return;
  const [by, of] = [losses, norms].map((distance) => distance.toExponential(1));
  throw new Error(
    `${side} does not train as one process does: its losses differ by ${by}, its gradients' norms by ${of}`,
  );
}
