/** Options of data, `config.data`: what is read, and how it becomes tokens. */
import { z } from 'zod';
import { seedField } from '../options/seed_field.js';

/** Where prepared data is kept unless an option says otherwise, below the working directory. */
export const defaultCache = '.cache/flotilla';

/** V8's longest string. */
const maxText = 2 ** 29 - 25;

export const dataSchema = z
  .strictObject({
    paths: z
      .array(z.string().min(1))
      .min(1)
      .nullable()
      .default(null)
      .meta({
        description:
          'Files, folders and globs of text (.txt, .md, .jsonl, .ndjson, .json, source; also .gz and .zst). null: the TypeScript sources that npm installed.',
        flag: 'data',
        also: [
          'data_path',
          'data_paths',
          'dataset',
          'dataset_path',
          'train_file',
          'train_files',
          'train_data',
          'files',
        ],
      }),
    tokenizer: z
      .strictObject({
        train: z.enum(['bpe']).default('bpe').meta({
          description: 'The tokenizer to train on the text where no file is given: byte-level byte-pair encoding.',
        }),
        vocab: z
          .int()
          .min(257)
          .max(2 ** 24)
          .default(8192)
          .meta({
            description: 'Tokens of a tokenizer that is trained.',
            unit: 'tokens',
            effect: 'Larger: fewer tokens a text, more parameters in the embedding.',
            also: ['vocab_size'],
          }),
        min_frequency: z.int().positive().default(2).meta({
          description: 'A pair of symbols seen less often is not merged.',
          unit: 'occurrences',
        }),
        file: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .meta({
            description: 'A Hugging Face tokenizer.json to use. null: train one.',
            also: ['tokenizer_model', 'tokenizer_path', 'tokenizer_file', 'tokenizer_name_or_path', 'path'],
          }),
        separator: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .meta({
            description:
              'The token between documents, with file. null: the first usual one it has, such as <|endoftext|>.',
            also: ['eos_token', 'eod_token', 'bos_token'],
          }),
      })
      .prefault({})
      .meta({ description: 'From text to tokens.' }),
    documents: z
      .enum(['packed', 'separate'])
      .default('packed')
      .meta({
        description:
          'How documents lie in a sequence. packed: one behind the other, read as one text. separate: a token attends to its own document alone, and learned positions begin anew in each (Megatron’s --reset-attention-mask and --reset-position-ids); the separator is the last token of its document.',
        effect: 'separate: attention takes less time the shorter the documents are.',
        also: [
          'reset_attention_mask',
          'reset_position_ids',
          'packing',
          'document_masking',
          'intra_document_masking',
          'cross_document_attention',
        ],
      }),
    validation_fraction: z
      .number()
      .positive()
      .max(0.5)
      .default(0.04)
      .meta({
        description: 'Share of the text, as whole files, that is kept for validation.',
        unit: 'share of bytes',
        also: ['validation_split', 'val_fraction', 'eval_split', 'split'],
      }),
    max_bytes: z.int().positive().max(maxText).default(400_000_000).meta({
      description:
        'Most text to read, decompressed; files are then chosen by the hash of their path, and of the last one whole records or lines.',
      unit: 'bytes',
    }),
    field: z
      .string()
      .min(1)
      .default('text')
      .meta({
        description: 'The field of a JSON record that holds its text; a.b is field b of the object in field a.',
        also: ['text_field', 'text_column', 'json_key', 'json_keys', 'text_key'],
      }),
    seed: seedField.default(0).meta({
      description:
        'Of the order of sequences: each epoch is a permutation that follows from this and the number of the epoch.',
      unit: 'seed',
      also: ['data_seed', 'shuffle_seed'],
    }),
    cache: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .meta({
        description: `Folder of tokenizers and token files, shared by runs. null: ${defaultCache} in the working directory.`,
        also: ['cache_dir', 'data_cache_path'],
      }),
  })
  .prefault({})
  .meta({ description: 'What is read; in a TypeScript config, also `data.text("corpus/**/*.md")`.' });
