/** What a run's log says of a step. */
import type { MetricsRow } from './read_metrics.js';

export interface Losses {
  /** Nats a token: of the step itself, and of the last validation until then; null where the log does not say. */
  readonly trainingLoss: number | null;
  readonly validationLoss: number | null;
}

/** Lines may go on beyond the step: a run that was killed had done more than it had saved. */
export function lossesAt(rows: readonly MetricsRow[], wanted: number): Losses {
  const loss = (kind: string, isMeant: (step: number) => boolean) => {
    const row = rows.findLast((one) => one.kind === kind && typeof one.step === 'number' && isMeant(one.step));
    return typeof row?.loss === 'number' ? row.loss : null;
  };
  return {
    trainingLoss: loss('step', (step) => step === wanted),
    validationLoss: loss('validation', (step) => step <= wanted),
  };
}

/** The last step of which there is a line; null where there is none. */
export const lastStep = (rows: readonly MetricsRow[]): number | null => {
  const step = rows.findLast(({ kind }) => kind === 'step')?.step;
  return typeof step === 'number' ? step : null;
};
