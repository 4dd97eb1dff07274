import fc from 'fast-check';

/** Texts that look like text: words, numbers, contractions, odd white space, scripts of one to four bytes, emoji sequences, controls. */
export const anyText = (): fc.Arbitrary<string> =>
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          'the',
          "it's",
          "we'll",
          'größer',
          '日本語',
          'नमस्ते',
          '👩‍👩‍👧',
          '123',
          'x1',
          '()',
          '=>',
          '!!',
          '<|endoftext|>',
        ),
        fc.constantFrom(' ', '  ', '\n', '\n\n', '\t', '\r\n', '\u00a0', '\u2003', '\u3000', '\n    '),
        fc.string({ unit: 'grapheme', maxLength: 5 }),
        fc.string({ unit: 'binary', maxLength: 3 }),
      ),
      { maxLength: 30 },
    )
    .map((parts) => parts.join(''));

/** A few texts to train small tokenizers on. */
export const smallTexts: readonly string[] = [
  "the cat sat on the mat; the cat's hat isn't flat\n\n\tthat's that\n",
  'aaaa aaa aaaaa aa a bbbb abab ababab\n',
  'für über Übergröße, größer größte 12 1212 121212\n',
  '日本語の日本の日本語 👩‍👩‍👧 👩‍👩‍👧!!! ??? !!!\n',
  '  if (x) {\n    return x;\n  }\n  if (y) {\n    return y;\n  }\n',
];
