/** Training steps for real processes, by name, so that every process can build the same one: language models in f32. */
import { GPT, Llama, Mixtral } from '../../src/nn/models/index.js';
import { languageModel } from './language_model.js';
import type { ScenarioOptions } from './scenario.js';

const shape = { batch: 4, sequence: 8, dtype: 'f32' as const };
const tensor = { heads: ['tensor'], kv_heads: ['tensor'], kv_group: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] };
const split = { batch: ['data'], ...tensor };

const gpt = () => languageModel(new GPT({ layers: 2, dim: 16, heads: 4, context: 8, vocab: 37 }), shape);
const llama = () =>
  languageModel(new Llama({ layers: 2, dim: 16, heads: 4, kv_heads: 2, hidden: 24, context: 8, vocab: 37 }), shape);

const mixtral = () => {
  const model = {
    layers: 2,
    dim: 16,
    heads: 4,
    kv_heads: 2,
    hidden: 24,
    context: 8,
    vocab: 37,
    experts: 4,
    choices: 2,
  };
  return languageModel(new Mixtral(model), shape);
};

/** With AdamW, for what does not compare gradients. */
export const wholeSteps: Readonly<Record<string, () => ScenarioOptions>> = {
  GPT: () => ({ ...gpt(), mesh: { tensor: 2 }, split, microbatches: 2 }),
  Mixtral: () => ({ ...mixtral(), mesh: { tensor: 2 }, split: { ...split, experts: ['tensor'] }, microbatches: 2 }),
};

/** Sums of gradients as results. */
export const realRanks: Readonly<Record<string, () => ScenarioOptions>> = {
  'GPT, data over 2': () => ({ ...gpt(), update: null, mesh: { data: 2 }, split, microbatches: 2 }),
  'GPT, tensor over 2': () => ({ ...gpt(), update: null, mesh: { tensor: 2 }, split }),
  'Llama, data × tensor over 4': () => ({ ...llama(), update: null, mesh: { data: 2, tensor: 2 }, split }),
};
