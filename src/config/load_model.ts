/** The model that a configuration describes. */
import type { LanguageModel } from '../nn/language_model.js';
import { customModelLost } from './diagnostics.js';
import { readConfig } from './file.js';
import { modelOf } from './objects.js';
import { resolveConfig } from './resolve.js';
import type { TrainConfig } from './schema.js';

/**
 * The model of a run: what its configuration describes, or, where that is a module of the user's own, what the TypeScript config that
 * constructed it exports. `vocab`: the tokenizer's size, for a configuration that leaves it open.
 */
export async function loadModel({ model }: TrainConfig, vocab: number): Promise<LanguageModel> {
  const described = modelOf(model, vocab);
  if (described) return described;
  const { name, module } = model as Extract<TrainConfig['model'], { family: 'custom' }>;
  if (module === null)
    throw customModelLost({ name, module, problem: 'it was given to train() and not by a config file' });
  const { customModel } = resolveConfig(await readConfig(module), { source: module });
  if (customModel?.constructor.name === name) return customModel;
  const found = customModel ? `a ${customModel.constructor.name}` : 'another model';
  throw customModelLost({ name, module, problem: `its config now exports ${found}` });
}
