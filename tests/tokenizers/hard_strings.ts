/** Texts that tokenizers disagree on. The same seed gives the same texts, here and when what is expected of them is made. */

/** Texts of special tokens of the fixtures, of others, and of what decoders look for. */
const marks = [
  '<|endoftext|>', '<s>', '</s>', '<unk>', '<pad>', '<bos>', '<eos>', '<|begin_of_text|>', '<|end_of_text|>', '<|im_start|>', '<|im_end|>',
  '[CLS]', '[SEP]', '[MASK]', '[UNK]', '[INST]', '[/INST]', '<mask>', '<extra_id_0>', '<extra_id_17>', '<tool_call>', '</tool_call>',
  '<start_of_turn>', '<h1>', '</h1>', '<|0.00|>', '<|notimestamps|>', '<|startoftranscript|>', '<｜end▁of▁sentence｜>', '<|fim_prefix|>',
  '<|startoftext|>', '<0x41>', '<0xE4>', '<0x0A>', '<0xff>', '▁', '▁▁', 'Ġ', 'ĠĠa', 'Ċ', '##', '##s', '</w>', 'a</w>', '@@', '<unused0>',
]; // prettier-ignore

const words = [
  'the', 'The', 'river', 'running', 'unbelievable', "it's", "we'll", "I'M", "THEY'RE", "l'été", 'naïve', 'café', 'cafe\u0301', 'Größe',
  'straße', 'ΑΣ', 'ΣΑΣ', 'İstanbul', 'ISTANBUL', 'ıssız', 'ﬁne', 'oﬃce', 'ǅ', 'ŉ', 'Ω', 'Å', '日本語', '中文字', '한국어', '한국', 'ไทย',
  'नमस्ते', 'العربية', 'עברית', 'привет', 'ПРИВЕТ', '東京都', 'x', 'x1', 'a_b', 'snake_case', 'CamelCase', 'don’t', '“quoted”', "``old''", '3.14',
  '1,000,000', '2024', '12345678901234567890', '½', '²', '٣٤٥', '१२३', '①', 'Ⅷ', '一二三', 'http://a.b/c?d=e&f#g', 'a@b.co', '=>', '!=', '...',
  '…', '—', '--', '()', '{}', '$', '€', '#', '//', '/*', '\\n', '\\', '"', "'", '`', '~', '^', '<', '>', '&amp;', '<br>', '𝒳𝒴', '𝟙𝟚', '𠀀𠀁',
]; // prettier-ignore

const spaces = [
  ' ', ' ', ' ', '  ', '   ', '\t', '\n', '\n\n', '\n\n\n', '\r\n', '\r\n\r\n', '\r', ' \n', '\n ', ' \t ', '\u00a0', '\u2003', '\u3000',
  '\u0085', '\u2028', '\u2029', '\u1680', '\u202f', '\u205f', '\v', '\f', '\u001c',
]; // prettier-ignore

const strange = [
  '\u200b', '\u200c', '\u200d', '\ufeff', '\u2060', '\u00ad', '\u0000', '\u0001', '\u001b[0m', '\u007f', '\u0080', '\u009f', '\u202e', '\u202c',
  '\u0300', '\u0301\u0302', '\u0345', '\u20dd', '\u3099', '\ufe0f', '\ufffd', '\ufffe', '\uffff', '\ue000', '\ud83d\ude42', '👩‍👩‍👧', '👍🏽', '🇩🇪🇫🇷', '1️⃣',
  '🏴󠁧󠁢󠁥󠁮󠁧󠁿', 'e\u0301\u0323', 'ą́', 'ᄒ\u1161\u11ab', 'q\u0307\u0323', 'ﷺ', '㍍', '℃', 'ｱ', 'Ａ１', '\u{e0001}', '\u{10ffff}', '\u{1f1e6}',
]; // prettier-ignore

/** Numbers of [0, 1), as mulberry32 makes them of a seed. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` texts: none, one, or many of the pieces above, of characters of all planes, and of parts of all these. */
export function hardStrings(count: number, seed = 1): readonly string[] {
  const random = randomNumbers(seed);
  const below = (n: number) => Math.floor(random() * n);
  const one = <T>(list: readonly T[]): T => list[below(list.length)];
  const character = (): string => {
    const plane = random() < 0.7 ? 0 : below(17);
    const point = plane * 0x10000 + (random() < 0.5 && plane === 0 ? below(0x600) : below(0x10000));
    return point >= 0xd800 && point < 0xe000 ? '\u{1f600}' : String.fromCodePoint(point);
  };
  const part = (text: string): string => {
    const characters = [...text];
    const from = below(characters.length);
    return characters.slice(from, from + 1 + below(characters.length - from)).join('');
  };
  const piece = (): string => {
    const kind = random();
    if (kind < 0.25) return one(words);
    if (kind < 0.45) return one(spaces);
    if (kind < 0.55) return one(strange);
    if (kind < 0.65) return one(marks);
    if (kind < 0.72) return part(one(marks));
    if (kind < 0.78) return part(one(words));
    if (kind < 0.84) return String(below(10 ** (1 + below(9))));
    if (kind < 0.9) return Array.from({ length: 1 + below(6) }, character).join('');
    if (kind < 0.93) return one([...words, ...spaces, ...strange]).repeat(1 + below(9));
    if (kind < 0.995) return character();
    return one([...words, ...spaces, ...strange, ...marks]).repeat(100 + below(300));
  };
  return Array.from({ length: count }, () => Array.from({ length: below(1 + below(14)) }, piece).join(''));
}
