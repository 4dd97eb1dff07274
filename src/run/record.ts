/**
 * `run.json`: what a run decides once and keeps, so that it goes on as itself: its data, tokenizer, order, model, and its length.
 *
 * `config.json` is what the user asked for; this says what came of it. Paths are absolute.
 */
import { z } from 'zod';
import { dataSchema as dataFields } from '../data/options.js';
import { recordInvalid } from './diagnostics.js';
import { parseFields } from '../ir/parse_json.js';

const dataSchema = z.strictObject({
  /** Folder of the prepared data. */
  folder: z.string(),
  /** SHA-256 of what the prepared data was made from. */
  key: z.string(),
  /** The working directory when the run began: the default corpus is searched from there upwards. */
  root: z.string(),
  /** What it was prepared from, and how. */
  source: dataFields.unwrap().omit({ seed: true, documents: true, cache: true }),
});

const recordSchema = z.strictObject({
  data: dataSchema,
  tokenizer: z.strictObject({ sha256: z.string() }),
  /** The order of sequences: a permutation of each epoch by the seed, over sequences of `context` tokens. */
  order: z.strictObject({ seed: z.number(), context: z.int().positive() }),
  /** Of the steps since the run was last started. */
  batch: z.strictObject({ sequences: z.int().positive(), microbatch: z.int().positive() }),
  model: z.strictObject({
    /** Every option, as `config.model` has it. */
    options: z.looseObject({ family: z.string() }),
    /** SHA-256 of the module's text, of a model that a TypeScript config constructs. */
    module_sha256: z.string().nullable(),
    /** SHA-256 of the forward that it traces, which is kept in model.ir. */
    forward_sha256: z.string(),
    /** The version of flotilla that traced it: another may write the same forward otherwise. */
    traced_by: z.string(),
  }),
  /** Length of the run; null until it is known. The learning-rate schedule follows it. */
  steps: z.int().positive().nullable(),
});

/** What a run decides once and keeps. */
export type RunRecord = z.infer<typeof recordSchema>;
export type DataRecord = RunRecord['data'];
export type ModelRecord = RunRecord['model'];

export const recordText = (record: RunRecord): string => `${JSON.stringify(record, null, 2)}\n`;

/** Reads a record. `file`: for messages. Throws `run/record-invalid`. */
export function parseRecord(text: string, file: string): RunRecord {
  let json: unknown;
  try {
    json = parseFields(text);
  } catch (error) {
    throw recordInvalid({ file, problem: `it is not JSON: ${(error as Error).message}` }, { cause: error });
  }
  const parsed = recordSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0];
  throw recordInvalid({ file, problem: `${path.join('.') || 'the whole'}: ${message}` });
}
