/** Tokenizers: our own encoder for the vocabularies that we train, the reference library for every other file. */
import { ByteLevelBpe } from './byte_level_bpe.js';
import { whyNoTokenizer } from './check_tokenizer_json.js';
import { tokenizerInvalid } from './diagnostics.js';
import { atOnce, type InParts } from './in_parts.js';
import { parseJson } from '../ir/parse_json.js';
import { readText } from './read_text.js';
import { ReferenceTokenizer } from './reference_tokenizer.js';
import type { Tokenizer } from './tokenizer_interface.js';
import { isOfOurs, type TokenizerJson } from './tokenizer_json.js';

export { separatorId } from './separator.js';
export type { Encoding, NamedText, Tokenizer } from './tokenizer_interface.js';

/**
 * Loads a tokenizer.json.
 * @throws data/tokenizer-invalid where it cannot be read, parsed or used; data/tokenizer-too-slow; data/tokenizer-library-missing.
 */
export function loadTokenizer(file: string): Tokenizer {
  return atOnce(loadTokenizerInParts(file));
}

/** As {@link loadTokenizer}, with parts to rest between: the reference library starts a process, and tries expressions that may not end. */
export function* loadTokenizerInParts(file: string): InParts<Tokenizer> {
  let json: unknown;
  try {
    json = parseJson(readText(file));
  } catch (error) {
    throw tokenizerInvalid({ file, reason: error instanceof Error ? error.message : String(error) }, { cause: error });
  }
  return yield* makeTokenizerInParts(json as TokenizerJson, file);
}

/** The tokenizer that a parsed tokenizer.json describes. `file` is for messages. Throws what {@link loadTokenizer} throws. */
export function makeTokenizer(json: TokenizerJson, file = 'tokenizer.json'): Tokenizer {
  return atOnce(makeTokenizerInParts(json, file));
}

function* makeTokenizerInParts(json: TokenizerJson, file: string): InParts<Tokenizer> {
  const reason = whyNoTokenizer(json);
  if (reason !== null) throw tokenizerInvalid({ file, reason });
  return isOfOurs(json) ? new ByteLevelBpe(json, file) : yield* ReferenceTokenizer.open(json, file);
}
