/** Text as a terminal shows it: which of it is shown, and how many columns that takes. */

/** Text and names may hold anything: what would steer a terminal or break a picture, line breaks too, is shown as a dot. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, '·');

/** Marks that stand on the letter before, and what joins or directs letters. */
const noColumn = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** East Asian letters and signs of full width (UAX #11: W and F), and what is shown as an emoji by itself: a flag is two letters. */
const twoColumns =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u3247\u3250-\u4dbf\u4e00-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18d08}\u{1aff0}-\u{1b2fb}\u{20000}-\u{3fffd}]|(?![\u{1f1e6}-\u{1f1ff}])\p{Emoji_Presentation}/u;

/** Whether a letter, one code point, is shown in two columns. */
export const isWide = (letter: string): boolean => twoColumns.test(letter);

/** Columns that a text takes on a terminal. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const letter of text) columns += isWide(letter) ? 2 : noColumn.test(letter) ? 0 : 1;
  return columns;
}

/** As much of the beginning as takes at most so many columns. */
export function cutToColumns(text: string, most: number): string {
  let [cut, columns] = ['', 0];
  for (const letter of text) {
    columns += columnsOf(letter);
    if (columns > most) return cut;
    cut += letter;
  }
  return cut;
}
