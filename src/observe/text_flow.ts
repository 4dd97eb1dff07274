/** Text that comes in pieces, broken between words and indented: what a model writes, as it writes it. */

import { columnsOf, isWide, printable } from './columns.js';

const indent = '  ';

export class TextFlow {
  readonly #width: () => number;
  /** Columns of this line that are taken, its indent included. */
  #column = 0;
  #spaces = '';
  #word = '';

  /** `width`: columns of the terminal, asked again for each word. */
  constructor(width: () => number) {
    this.#width = width;
  }

  /**
   * What can be written now: a word is, once it is known to be whole, or fills a line. Where letters are of full width (Chinese, Japanese,
   * Korean), a line may be broken beside each.
   */
  push(text: string): string {
    let written = '';
    for (const letter of text) {
      if (letter === '\n') {
        written += `${this.#flushWord()}\n`;
        [this.#column, this.#spaces] = [0, ''];
      } else if (letter === ' ' || letter === '\t') {
        written += this.#flushWord();
        this.#spaces += letter === '\t' ? '  ' : ' ';
      } else {
        const shown = printable(letter);
        const room = this.#width() - indent.length;
        if (isWide(shown) || columnsOf(this.#word) + columnsOf(shown) > room) written += this.#flushWord();
        this.#word += shown;
        if (isWide(shown)) written += this.#flushWord();
      }
    }
    return written;
  }

  /** The rest, with a line break where there is none. */
  end(): string {
    const written = this.#flushWord();
    const broken = this.#column > 0 ? '\n' : '';
    this.#column = 0;
    return written + broken;
  }

  #flushWord(): string {
    if (this.#word === '') return '';
    const length = columnsOf(this.#word);
    let before = this.#column === 0 ? indent + this.#spaces : this.#spaces;
    if (this.#column > 0 && this.#column + before.length + length > this.#width()) {
      before = `\n${indent}`;
      this.#column = 0;
    }
    const written = before + this.#word;
    this.#column += before.replace('\n', '').length + length;
    this.#spaces = this.#word = '';
    return written;
  }
}

/** Each line broken between words where it is longer than `width`; what follows is indented. */
export const broken = (text: string, width: number): string =>
  text
    .split('\n')
    .map((line) => {
      if (columnsOf(line) <= width) return line;
      const [first, ...words] = line.split(/(?<=\S) /);
      let [done, last] = ['', first];
      for (const word of words) {
        if (columnsOf(last) + 1 + columnsOf(word) <= width) last += ` ${word}`;
        else [done, last] = [`${done}${last}\n`, `${indent}${word}`];
      }
      return done + last;
    })
    .join('\n');
