/**
 * Whether a tokenizer gives back what it was given. One that writes all letters small, leaves out spaces or knows not every character has
 * less to predict than the text has: its bits a byte are too few beside those of one that keeps all.
 */
import type { Tokenizer } from './tokenizer_interface.js';

/** How a piece of text comes back, where it comes back otherwise. */
export interface LostText {
  readonly given: string;
  readonly back: string;
}

/** Characters of a document, and documents, that are looked at. */
const [mostCharacters, mostTexts] = [4000, 32];

/** Letters that are shown before and behind the first that is another. */
const [before, behind] = [12, 20];

/** The first place where a text does not come back; null where all do. Spaces at the beginning of a text are left out: decoders add one. */
export function lostText(tokenizer: Tokenizer, texts: Iterable<string>): LostText | null {
  let looked = 0;
  for (const text of texts) {
    if (looked++ === mostTexts) return null;
    // A pair of surrogates that the end cuts would not come back.
    const cut = text.slice(0, mostCharacters).replace(/[\ud800-\udbff]$/, '');
    const given = cut.trimStart();
    const back = tokenizer.decode(tokenizer.encodeOrdinary(given)).trimStart();
    // Some decoders put a space behind each word, the last too.
    if (given === back || given === back.trimEnd()) continue;
    const [from, to] = [[...given], [...back]];
    const differs = from.findIndex((letter, k) => letter !== to[k]);
    const at = differs < 0 ? from.length : differs;
    const excerpt = (letters: readonly string[]) => letters.slice(Math.max(0, at - before), at + behind).join('');
    return { given: excerpt(from), back: excerpt(to) };
  }
  return null;
}
