/** `run.json` as versions before 0.2 wrote it: where the prepared data lies and its key, and the length. The rest was config.json's. */
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { absolutePaths } from '../config/absolute_paths.js';
import { configSchema } from '../config/schema.js';
import { dataSource } from './data_identity.js';
import type { RunFolder } from './folder.js';
import { fileHash } from './hash.js';
import type { RunRecord } from './record.js';
import { parseFields } from '../ir/parse_json.js';
import { loadTokenizer } from '../data/tokenizer.js';

const earlierSchema = z.strictObject({ data: z.string(), dataKey: z.string(), steps: z.int().positive().nullable() });

/**
 * The record that an earlier one and its config.json come to; null where it is none of those. Paths were relative to the directory in
 * which the run was begun, which is taken to be this one.
 */
export function readEarlierRecord(text: string, folder: RunFolder): RunRecord | null {
  const earlier = earlierSchema.safeParse(parse(text));
  const config = configSchema.safeParse(parse(readFileSync(folder.file('config.json'), 'utf8')));
  const tokenizer = folder.file('tokenizer.json');
  if (!earlier.success || !config.success || !existsSync(tokenizer)) return null;
  const root = process.cwd();
  const { data, batch, model } = absolutePaths(config.data, root);
  const { module: _module, ...options } = {
    module: null,
    ...model,
    vocab: model.vocab ?? loadTokenizer(tokenizer).vocab,
  };
  return {
    data: { folder: earlier.data.data, key: earlier.data.dataKey, root, source: dataSource(data) },
    tokenizer: { sha256: fileHash(tokenizer) },
    order: { seed: data.seed, context: model.context },
    batch,
    // What it computed was not kept.
    model: { options, module_sha256: null, forward_sha256: '', traced_by: 'before 0.2' },
    steps: earlier.data.steps,
  };
}

function parse(text: string): unknown {
  try {
    return parseFields(text);
  } catch {
    return null;
  }
}
