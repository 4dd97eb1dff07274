/** The language models of mutated programs, as small as they can be. */
import { GPT, Mixtral } from '../../src/nn/models/index.js';
import { ops } from '../../src/ops/index.js';
import { applyPrecision } from '../../src/passes/precision.js';
import { languageModel } from '../../tests/scenarios/language_model.js';

export const gpt = (layers = 1) =>
  languageModel(new GPT({ layers, dim: 4, heads: 2, context: 3, vocab: 6 }), {
    microbatches: 1,
    batch: 2,
    sequence: 3,
  });

/** Equal layers become loops, and what is dropped follows no formula. */
export const deepGpt = (layers = 3) =>
  languageModel(new GPT({ layers, dim: 4, heads: 2, context: 2, vocab: 4, dropout: 0.3 }), {
    microbatches: 1,
    batch: 2,
    sequence: 2,
  });

/** Two experts, of which each token takes one or both; its logical microbatches are split. */
export const mixtral = (sequence = 2, choices = 1) =>
  languageModel(
    new Mixtral({ layers: 1, dim: 4, heads: 2, hidden: 4, context: sequence, vocab: 5, experts: 2, choices }),
    { microbatches: 2, batch: 1, sequence },
  );
export function inBf16() {
  const model = new GPT({ layers: 1, dim: 4, heads: 2, context: 3, vocab: 6 });
  const { step, ...rest } = languageModel(model, { microbatches: 1, batch: 2, sequence: 3, dtype: 'f32' });
  return { step: applyPrecision(step, ops, 'bf16'), ...rest };
}
