/** Fields of `config.model`: those of the model families, and of a model of one's own. */
import { z } from 'zod';
import { context, vocab } from '../nn/models/decoder_fields.js';
import { familySchemas } from '../nn/models/families.js';

const customModel = z.strictObject({
  family: z.literal('custom').meta({ description: 'A module of your own, given as an object in a TypeScript config.' }),
  name: z.string().meta({ description: 'The class of the module, for messages.' }),
  module: z.string().nullable().default(null).meta({
    description:
      'The TypeScript file that builds it, read again by resume, generate and explain where this user has trained with it, or with --trust-code. null: a script gave it to train().',
  }),
  context,
  vocab,
  options: z.record(z.string(), z.unknown()).default({}).meta({ description: 'What the module was constructed with.' }),
});

export const modelSchema = z
  .discriminatedUnion('family', [...familySchemas, customModel])
  .prefault({ family: 'gpt' })
  .meta({ description: 'The model; in a TypeScript config, an object such as `new models.GPT({ … })`.' });
