import fc from 'fast-check';
import { expect, test } from 'vitest';
import { byteCharacters, preTokens } from './byte_level.js';
import { trainBpe } from './bpe_trainer.js';
import { anyText, smallTexts } from './testing/texts.js';
import { atOnce } from './in_parts.js';

const mergesOf = (texts: readonly string[], vocab: number, min_frequency = 2) =>
  (atOnce(trainBpe(texts, { vocab, min_frequency })).model.merges ?? []).map((merge) => [...merge].join(' '));

test("merges equal those of Hugging Face's trainer", () => {
  // tokenizers 0.23.3: BpeTrainer(vocab_size=340, min_frequency=2, initial_alphabet=ByteLevel.alphabet()) on the same texts.
  const theirs =
    'a a|a t|1 2|ð Ł|ðŁ ĳ|a b|t h|Ċ Ġ|! !|© â|Ģ į|ðŁĳ ©â|ðŁĳ©â Ģį|b b|e r|g r|¥ æ|¶ Ã|Ã ¶Ã|æ Ĺ|Ġ i|Ġ aa|Ġ 12|Ġ th|ľ ¬|ab ab|' +
    "gr Ã¶Ã|¥æ ľ¬|æĹ ¥æľ¬|grÃ¶Ã Ł|' s|? ?|b er|c at|e t|r n|r et|u rn|ª ŀ|® æĹ¥æľ¬|Ã ¼|ã ģ|è ªŀ|Ġ (|Ġ {|Ġ }|Ġ Ġ|Ġ ðŁĳ©âĢį|Ġ abab|" +
    'Ġ grÃ¶ÃŁ|Ġ cat|Ġ ret|ðŁĳ §|ĊĠ ĠĠ|!! !|ðŁĳ©âĢį ðŁĳ§|Ġi f|Ġ12 12|Ġth e|ãģ ®æĹ¥æľ¬|ĠðŁĳ©âĢį ðŁĳ©âĢįðŁĳ§|Ġret urn';
  expect(mergesOf(smallTexts, 340)).toEqual(theirs.split('|'));
});

test('merges equal those of a trainer that counts anew for each', () => {
  fc.assert(
    fc.property(fc.array(anyText(), { maxLength: 4 }), fc.integer({ min: 1, max: 3 }), (texts, least) => {
      expect(mergesOf(texts, 257 + 25, least)).toEqual(countAnew(texts, 25, least));
    }),
    { numRuns: 60 },
  );
});

test('repeated letters, whose pairs overlap, are counted right', () => {
  const letters = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 12 }), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(letters, (words) => {
      const texts = [words.join(' ')];
      expect(mergesOf(texts, 257 + 25, 1)).toEqual(countAnew(texts, 25, 1));
    }),
  );
});

test('the order of texts does not matter; a vocabulary without room for all bytes is refused', () => {
  expect(atOnce(trainBpe([...smallTexts].reverse(), { vocab: 340 }))).toEqual(
    atOnce(trainBpe(smallTexts, { vocab: 340 })),
  );
  expect(() => atOnce(trainBpe(smallTexts, { vocab: 256 }))).toThrow('data/vocab-too-small');
});

/** Byte-pair encoding from its definition: all pairs counted before every merge. */
function countAnew(texts: readonly string[], vocabulary: number, least: number): string[] {
  const ids = new Map([...byteCharacters].sort().map((character, id) => [character, id]));
  let words = texts.flatMap((text) =>
    [...preTokens(text)].flat().map((word) => Array.from(Buffer.from(word), (byte) => byteCharacters[byte])),
  );
  const merges: string[] = [];
  while (ids.size < 256 + vocabulary) {
    const counts = new Map<string, number>();
    for (const word of words) {
      for (let i = 0; i + 1 < word.length; i++) {
        const pair = `${word[i]} ${word[i + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const rank = (pair: string) => pair.split(' ').map((token) => ids.get(token) ?? 0);
    const before = (a: string, b: string) => rank(a)[0] - rank(b)[0] || rank(a)[1] - rank(b)[1];
    const [best] = [...counts].sort((a, b) => b[1] - a[1] || before(a[0], b[0]));
    if (best === undefined || best[1] < least) break;
    const [left, right] = best[0].split(' ');
    if (!merges.includes(best[0])) merges.push(best[0]);
    if (!ids.has(left + right)) ids.set(left + right, ids.size);
    words = words.map((word) => {
      const merged: string[] = [];
      for (let i = 0; i < word.length; i++) {
        if (word[i] === left && word[i + 1] === right) merged.push(left + word[++i]);
        else merged.push(word[i]);
      }
      return merged;
    });
  }
  return merges;
}
