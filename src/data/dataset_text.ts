/** What is known of a prepared data set's text: only whoever decodes or tells bits a byte needs it, and it takes a tokenizer. */
import { join } from 'node:path';
import { z } from 'zod';
import type { ValidationBatches } from './batches.js';
import { tokenFileCorrupt } from './diagnostics.js';
import type { InParts } from './in_parts.js';
import { parseFields } from '../ir/parse_json.js';
import { readText } from './read_text.js';
import { writeAtomically } from './temporaries.js';
import { loadTokenizerInParts, type Tokenizer } from './tokenizer.js';

export interface TextOf {
  readonly folder: string;
  readonly tokenizerFile: string;
  /** Of the manifest. */
  readonly vocab: number;
  readonly validation: ValidationBatches;
}

const keptSchema = z.object({ bytesPerToken: z.number().nonnegative() });

/** Loads and measures at the first call, once. */
export class DatasetText {
  readonly #of: TextOf;
  #tokenizer: Tokenizer | null = null;
  #bytesPerToken: number | null = null;

  constructor(of: TextOf) {
    this.#of = of;
  }

  /** @throws data/tokenizer-invalid; data/token-file-corrupt where it is not the one that the data was encoded with. */
  *tokenizer(): InParts<Tokenizer> {
    if (this.#tokenizer !== null) return this.#tokenizer;
    const { tokenizerFile: file, vocab } = this.#of;
    const tokenizer = yield* loadTokenizerInParts(file);
    if (tokenizer.vocab < vocab)
      throw tokenFileCorrupt({ file, reason: `${tokenizer.vocab} tokens where the manifest says ${vocab}` });
    return (this.#tokenizer = tokenizer);
  }

  /** Kept beside the data for each shape of the validation set, so that a rank that tells of it starts no tokenizer. */
  *bytesPerToken(): InParts<number> {
    const { folder, validation } = this.#of;
    const kept = join(folder, `text-${validation.context}-${validation.sequences}.json`);
    this.#bytesPerToken ??= readKept(kept);
    if (this.#bytesPerToken !== null) return this.#bytesPerToken;
    const tokenizer = yield* this.tokenizer();
    const { labels } = validation.batch();
    const bytesPerToken = (yield* tokenizer.textBytesInParts(labels)) / labels.length;
    try {
      writeAtomically(kept, JSON.stringify({ bytesPerToken }));
    } catch {
      // A cache that became read-only costs a moment at each start; it is no reason to have none.
    }
    return (this.#bytesPerToken = bytesPerToken);
  }
}

/** Null where there is none, or none that can be read: it is measured again then. */
function readKept(file: string): number | null {
  try {
    return keptSchema.parse(parseFields(readText(file))).bytesPerToken;
  } catch {
    return null;
  }
}
