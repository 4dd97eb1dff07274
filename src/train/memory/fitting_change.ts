/** The smallest change to a configuration under which its job fits into a machine's memory. */
import type { TrainConfig } from '../../config/schema.js';
import { choosePlan, ranksOfConfig } from '../choose_plan.js';
import type { LanguageModel } from '../../nn/language_model.js';
import { forecastBytes, type ForecastRequest } from './forecast.js';

/** A change as a user writes it: `batch.microbatch=2`. */
export interface Change {
  readonly text: string;
  readonly config: TrainConfig;
}

/** Compilations that the search may take. */
const mostTries = 8;

/**
 * Smaller microbatches, then optimizer state divided, then fewer replicas here: the first of these that fits, compiled. Null where none
 * does: the model itself is too large.
 */
export function fittingChange(request: Omit<ForecastRequest, 'plan'>, limit: number): Change | null {
  const { config, model, localRanks } = request;
  for (const change of changes(config, localRanks).slice(0, mostTries)) {
    const bytes = bytesUnder(change.config, model, request);
    if (bytes !== null && bytes <= limit) return change;
  }
  return null;
}

/** Null where the changed configuration has no legal plan. */
function bytesUnder(config: TrainConfig, model: LanguageModel, request: Omit<ForecastRequest, 'plan'>): number | null {
  try {
    const localRanks = Math.min(request.localRanks, ranksOfConfig(config, null));
    return forecastBytes({ ...request, config, localRanks, plan: choosePlan(config, model, null) });
  } catch {
    return null;
  }
}

function changes(config: TrainConfig, localRanks: number): readonly Change[] {
  const { batch, plan } = config;
  const smaller = divisors(batch.sequences).filter((size) => size < batch.microbatch);
  // Halves and quarters say as much as every divisor, in fewer compilations.
  const microbatches = smaller.toReversed().filter((_, i) => i < 2 || i === smaller.length - 1);
  const changed: Change[] = microbatches.map((microbatch) => ({
    text: `batch.microbatch=${microbatch}`,
    config: { ...config, batch: { ...batch, microbatch } },
  }));
  if (plan === 'auto' && config.ranks === null && localRanks > 1) {
    changed.push({ text: 'ranks=1', config: { ...config, ranks: 1 } });
  }
  if (typeof plan !== 'string' && plan.zero_stage === 0 && localRanks > 1) {
    changed.push({ text: 'plan.zero_stage=1', config: { ...config, plan: { ...plan, zero_stage: 1 } } });
  }
  const last = microbatches.at(-1);
  if (last !== undefined && changed.length > microbatches.length) {
    for (const { text, config: with1 } of changed.slice(microbatches.length)) {
      changed.push({
        text: `${text} --set batch.microbatch=1`,
        config: { ...with1, batch: { ...batch, microbatch: 1 } },
      });
    }
  }
  return changed;
}

/** The largest of 1, 2, … that fits, where less takes less; null where not even 1 does. `fits` is asked about log₂ of it times. */
export function largestFitting(fits: (value: number) => boolean): number | null {
  if (!fits(1)) return null;
  let [low, high] = [1, 2];
  while (fits(high)) [low, high] = [high, 2 * high];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

const divisors = (n: number): readonly number[] => {
  const found: number[] = [];
  for (let d = 1; d * d <= n; d++) if (n % d === 0) found.push(d, ...(d * d < n ? [n / d] : []));
  return found.sort((a, b) => a - b);
};
