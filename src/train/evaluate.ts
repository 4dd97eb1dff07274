/** The validation loss: the same sequences every time, in batches as large as those of training, the last filled up with padding. */
import type { ValidationBatches } from '../data/index.js';
import type { LoadedProgram } from '../engine/engine.js';
import { sequencesOf, type Plan } from '../plan/plan.js';
import { readResult } from './results.js';
import { writeBatch, type Rows } from './step_inputs.js';

/** Batches between two places at which a validation can be left. */
const together = 4;

/**
 * Mean loss in nats a token over `batches` batches; null where this process's first rank does not have it, or where `stopsHere`, asked
 * every few batches, says that the validation is to be left.
 */
export async function evaluate(
  loaded: LoadedProgram,
  plan: Plan,
  ranks: readonly number[],
  data: ValidationBatches,
  batches: number,
  stopsHere: () => Promise<boolean>,
): Promise<number | null> {
  const size = sequencesOf(plan);
  let [lossSum, tokens, run] = [0, 0, 0];
  for (let first = 0; first < Math.min(data.sequences, batches * size); first += size) {
    if (run++ % together === 0 && (await stopsHere())) return null;
    await writeBatch(loaded, plan, ranks, padded(data, first));
    await loaded.run();
    lossSum += (await readResult(loaded, ranks[0], 'loss_sum')) ?? 0;
    tokens += (await readResult(loaded, ranks[0], 'tokens')) ?? 0;
  }
  return tokens === 0 ? null : lossSum / tokens;
}

/** Sequences from `start` on; beyond the last, labels that stand for no token. */
function padded(data: ValidationBatches, start: number): Rows {
  return (place, count) => {
    const available = Math.max(0, Math.min(count, data.sequences - start - place));
    const batch = available > 0 ? data.batch(start + place, available) : null;
    const filled = (given: Int32Array | undefined, otherwise: number) => {
      const all = new Int32Array(count * data.context).fill(otherwise);
      if (given) all.set(given);
      return all;
    };
    return {
      tokens: filled(batch?.tokens, 0),
      labels: filled(batch?.labels, -1),
      documentStarts: filled(batch?.documentStarts, 0),
      documentEnds: filled(batch?.documentEnds, data.context),
    };
  };
}
