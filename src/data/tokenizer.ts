/** Tokenizers: our own encoder for the vocabularies that we train, the reference library for every other file. */
import { ByteLevelBpe } from './byte_level_bpe.js';
import { whyNoTokenizer } from './check_tokenizer_json.js';
import { tokenizerInvalid } from './diagnostics.js';
import { parseJson, readText } from './read_text.js';
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
  let json: unknown;
  try {
    json = parseJson(readText(file));
  } catch (error) {
    throw tokenizerInvalid({ file, reason: error instanceof Error ? error.message : String(error) }, { cause: error });
  }
  return makeTokenizer(json as TokenizerJson, file);
}

/** The tokenizer that a parsed tokenizer.json describes. `file` is for messages. Throws what {@link loadTokenizer} throws. */
export function makeTokenizer(json: TokenizerJson, file = 'tokenizer.json'): Tokenizer {
  const reason = whyNoTokenizer(json);
  if (reason !== null) throw tokenizerInvalid({ file, reason });
  return isOfOurs(json) ? new ByteLevelBpe(json, file) : new ReferenceTokenizer(json, file);
}
