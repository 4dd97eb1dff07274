/** What a model family brings: one folder, an entry in `families.ts`, and its exports in `index.ts`. */
import type { z } from 'zod';
import type { Conflict } from '../../options/diagnostics.js';
import { parseOptions, refuseConflict } from '../../options/parse.js';
import type { LanguageModel } from '../language_model.js';
import { vocab } from './decoder_fields.js';

/** The fields of `config.model` of one family; `vocab: null` stands for the size of the tokenizer. */
type FamilySchema = z.ZodObject<{ family: z.ZodLiteral<string>; vocab: typeof vocab }, z.core.$strict>;

export interface Family<Schema extends FamilySchema = FamilySchema> {
  readonly schema: Schema;
  /** Fields that contradict each other, each with the nearest that agree. */
  conflicts(fields: z.output<Schema>): readonly Conflict[];
  /** Features between two widths that are legal with so many heads. */
  widthStep(fields: z.output<Schema>): number;
  /** Fields of null that follow from others, filled in. */
  complete(fields: z.output<Schema>): z.output<Schema>;
}

/** A family with its constructor: its class, whose options are those of the configuration without `family`. */
export interface BuiltFamily<Schema extends FamilySchema = FamilySchema> extends Family<Schema> {
  readonly Model: new (options: never) => LanguageModel;
}

/** Options of a family's class: those of `config.model`, but that the number of token ids must be known. */
export type ModelOptions<Schema extends FamilySchema> = Omit<z.input<Schema>, 'family' | 'vocab'> & {
  /** Number of token ids. Any number: nothing needs a multiple. */
  readonly vocab: number;
};

/** Options of a family's class with every field filled in. */
export type ModelSizes<Schema extends FamilySchema> = {
  readonly [Name in Exclude<keyof z.output<Schema>, 'family'>]: NonNullable<z.output<Schema>[Name]>;
};

/**
 * The options of `new models.NAME(…)` with every field filled in. Throws `config/unknown-option`, `config/wrong-option`,
 * `config/option-conflict`.
 */
export function modelSizes<Schema extends FamilySchema>(
  family: Family<Schema>,
  name: string,
  options: ModelOptions<Schema>,
): ModelSizes<Schema> {
  const source = `options of new models.${name}()`;
  const schema = family.schema.omit({ family: true }).extend({ vocab: vocab.unwrap().unwrap() });
  const written = parseOptions(schema, options, source) as z.output<Schema>;
  refuseConflict(family.conflicts(written), source);
  return family.complete(written) as unknown as ModelSizes<Schema>;
}
