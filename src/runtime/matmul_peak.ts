/** This machine's measured matrix-product peak, as the share of it that training reaches is told. */
import type { TrainConfig } from './options.js';

/** Floating-point operations a second over all cores; null where it was not measured. */
export async function measuredPeak(config: TrainConfig): Promise<number | null> {
  if (config.engine === 'reference') return null;
  return null;
}
