/** Text that comes in pieces, broken between words and indented: what a model writes, as it writes it. */

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

  /** What can be written now: a word is, once it is known to be whole. */
  push(text: string): string {
    let written = '';
    for (const letter of printable(text)) {
      if (letter === '\n') {
        written += `${this.#flushWord()}\n`;
        [this.#column, this.#spaces] = [0, ''];
      } else if (letter === ' ' || letter === '\t') {
        written += this.#flushWord();
        this.#spaces += letter === '\t' ? '  ' : ' ';
      } else this.#word += letter;
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
    const length = [...this.#word].length;
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
      if ([...line].length <= width) return line;
      const [first, ...words] = line.split(/(?<=\S) /);
      let [done, last] = ['', first];
      for (const word of words) {
        if ([...last].length + 1 + [...word].length <= width) last += ` ${word}`;
        else [done, last] = [`${done}${last}\n`, `${indent}${word}`];
      }
      return done + last;
    })
    .join('\n');

/** Generated text may hold anything: what would move the cursor is shown as a dot. */
// eslint-disable-next-line no-control-regex -- what is to be replaced
const printable = (text: string): string => text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '·');
