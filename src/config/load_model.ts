/** The model that a configuration describes. */
import type { LanguageModel } from '../nn/language_model.js';
import { customModelLost } from './diagnostics.js';
import { modelOf } from './model_objects.js';
import type { ResolvedConfig } from './resolve.js';

/**
 * The model of a run: the object that its own code constructed, or what its configuration describes. `vocab`: the tokenizer's size, for a
 * configuration that leaves it open.
 */
export function loadModel(
  { config: { model }, customModel }: Pick<ResolvedConfig, 'config' | 'customModel'>,
  vocab: number,
): LanguageModel {
  const built = customModel ?? modelOf(model, vocab);
  if (built !== null) return built;
  const { name, module } = model as Extract<typeof model, { family: 'custom' }>;
  throw customModelLost({ name, module, problem: 'its code has not been read' });
}
