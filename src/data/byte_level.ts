/**
 * Byte-level text as GPT-2 has it (Radford et al. 2019, section 2.2): every byte is a symbol, so that every text has tokens, and a
 * printable character stands for each byte, so that tokens can be written down.
 */

/**
 * Byte → character: printable Latin-1 stands for itself, the other 68 bytes for U+0100 onwards. GPT-2's `bytes_to_unicode`.
 */
export const byteCharacters: readonly string[] = (() => {
  const printable = (b: number) => (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

const characterBytes: ReadonlyMap<string, number> = new Map(byteCharacters.map((character, byte) => [character, byte]));

/** The bytes of a token written in {@link byteCharacters}; null where a character stands for no byte. */
export function fromCharacters(token: string): Uint8Array | null {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = characterBytes.get(token[i]);
    if (byte === undefined) return null;
    bytes[i] = byte;
  }
  return bytes;
}

/**
 * GPT-2's pre-tokens: a word, a number or a run of other signs, each with one space before it; white space otherwise, the last of
 * which goes with the word that follows. White space is Unicode's, as in the tokenizers library (JavaScript's `\s` has U+FEFF and
 * lacks U+0085).
 */
const PRE_TOKEN =
  /'(?:[stmd]|re|ve|ll)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Text is matched in pieces of so many characters: one match of a very long text would make a list of all its words at once. */
const PIECE = 1 << 20;

/** A piece without a place to cut it may be longer. From so many characters on a match of it has no stack left. */
const LONGEST_MATCH = 1 << 21;

/** The pre-tokens of a text, in order; together they are the text. No merge ever crosses their borders. */
export function* preTokens(
  text: string,
  pieceLength = PIECE,
  longestMatch = LONGEST_MATCH,
): Generator<readonly string[]> {
  for (let from = 0; from < text.length;) {
    let to = from + pieceLength;
    // No pre-token has white space after something else, so before such white space a text may be cut.
    while (to < text.length && !(isAsciiSpace(text, to) && !isAnySpace(text, to - 1))) to++;
    const piece = from === 0 && to >= text.length ? text : text.slice(from, to);
    if (piece.length <= longestMatch) yield piece.match(PRE_TOKEN) ?? [];
    else yield* stepwise(piece, longestMatch);
    from = to;
  }
}

/** What {@link PRE_TOKEN} matches, found run by run, and a long run in steps of `most` characters. */
function* stepwise(text: string, most: number): Generator<readonly string[]> {
  const run = (kind: string) => new RegExp(`${kind}{1,${most}}`, 'uy');
  const white = run('\\p{White_Space}');
  const kinds = [run('\\p{L}'), run('\\p{N}'), run('[^\\p{White_Space}\\p{L}\\p{N}]')];
  const contraction = /'(?:[stmd]|re|ve|ll)/uy;
  const endOf = (run: RegExp, from: number): number => {
    for (let at = from; ; at = run.lastIndex) {
      run.lastIndex = at;
      if (!run.test(text)) return at;
    }
  };
  for (let at = 0; at < text.length;) {
    contraction.lastIndex = at;
    let end = contraction.test(text) ? contraction.lastIndex : at;
    const start = text.charCodeAt(at) === 0x20 ? at + 1 : at;
    for (let i = 0; i < kinds.length && end === at; i++) {
      const found = endOf(kinds[i], start);
      if (found > start) end = found;
    }
    if (end === at) {
      const found = endOf(white, at);
      end = found < text.length && found - at > 1 ? found - 1 : found;
    }
    yield [text.slice(at, end)];
    at = end;
  }
}

function isAsciiSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || code === 0x0a;
}

function isAnySpace(text: string, at: number): boolean {
  return /\p{White_Space}/u.test(text[at]);
}
