/** The model families: those that `config.model` can name. */
import type { LanguageModel } from '../language_model.js';
import type { BuiltFamily } from './family.js';
import { GPT } from './gpt/gpt.js';
import { gptFamily } from './gpt/options.js';
import { Llama } from './llama/llama.js';
import { llamaFamily } from './llama/options.js';
import { Mixtral } from './mixtral/mixtral.js';
import { mixtralFamily } from './mixtral/options.js';

/** In the order in which pages list them. */
const all = [
  { ...gptFamily, Model: GPT },
  { ...llamaFamily, Model: Llama },
  { ...mixtralFamily, Model: Mixtral },
] as const;

/** Each family's fields of `config.model`, `family` among them. */
export const familySchemas = all.map(({ schema }) => schema) as unknown as SchemasOf<typeof all>;

type SchemasOf<Families extends readonly { readonly schema: unknown }[]> = {
  readonly [Index in keyof Families]: Families[Index]['schema'];
};

export const families = all as unknown as readonly BuiltFamily[];

/** The name of a family, as `config.model.family` has it. */
export const nameOfFamily = ({ schema }: BuiltFamily): string => schema.shape.family.value;

/** Null for a name that no family has: a model of one's own. */
export const familyNamed = (name: string): BuiltFamily | null =>
  families.find((family) => nameOfFamily(family) === name) ?? null;

/** The family whose class `model` is of, exactly: a subclass is a model of its own. */
export const familyOf = (model: LanguageModel): BuiltFamily | null =>
  families.find(({ Model }) => Object.getPrototypeOf(model) === Model.prototype) ?? null;
