/** Between model objects and what `config.model` says of them. */
import { families, familyNamed, familyOf, nameOfFamily } from '../nn/models/families.js';
import type { LanguageModel } from '../nn/language_model.js';
import type { TrainConfig } from './schema.js';

/** A model as `config.model`. One that is of no family here is `custom`: only its own constructor can build it. */
export function modelConfig(model: LanguageModel): object {
  const family = familyOf(model);
  if (family) return { family: nameOfFamily(family), ...model.options };
  const { context, vocab, ...options } = model.options;
  return { family: 'custom', name: model.constructor.name, context, vocab, options };
}

/**
 * The model that a resolved `config.model` describes. `vocab` is the tokenizer's size, where the configuration leaves it open.
 * Null for a custom model, which its TypeScript config constructs.
 */
export function modelOf({ family: name, ...config }: TrainConfig['model'], vocab: number): LanguageModel | null {
  const family = familyNamed(name);
  return family && new family.Model({ ...config, vocab: config.vocab ?? vocab } as never);
}

/** The names of the model families. */
export const familyNames: readonly string[] = families.map(nameOfFamily);
