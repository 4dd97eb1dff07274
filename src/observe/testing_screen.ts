/**
 * A terminal for tests: what stands on it after some text, and what becomes of that when it is resized. It knows the few escapes that a
 * panel may use, and throws at any other.
 */

/** What happens to a line that is longer than the terminal has become. */
export type Narrowing = 'wraps' | 'cuts';

export class Screen {
  columns: number;
  readonly #narrowing: Narrowing;
  /** Each a line as it was written: with `isWrapped`, the one before goes on in it. */
  #rows: { text: string; isWrapped: boolean }[] = [{ text: '', isWrapped: false }];
  #row = 0;
  #column = 0;
  #wraps = true;
  /** Escapes for colours and weight that were seen. */
  styles = 0;

  constructor(columns: number, narrowing: Narrowing) {
    this.columns = columns;
    this.#narrowing = narrowing;
  }

  write(text: string): void {
    // eslint-disable-next-line no-control-regex -- the escapes of a terminal
    for (const [token, escape] of text.matchAll(/(\x1b\[[?\d;]*[A-Za-z])|\r|\n|[^\x1b\r\n]/gu)) {
      if (escape) this.#escape(escape);
      else if (token === '\r') this.#column = 0;
      else if (token === '\n') this.#lineBreak(false);
      else this.#put(token);
    }
  }

  resize(columns: number): void {
    this.columns = columns;
    if (this.#narrowing === 'cuts') {
      this.#rows = this.#rows.map(({ text, ...row }) => ({ ...row, text: text.slice(0, columns) }));
      this.#column = Math.min(this.#column, columns - 1);
      return;
    }
    // Lines that were wrapped are put together and wrapped anew; the cursor stays where it was in its line.
    const lines: { text: string; cursor: number | null }[] = [];
    this.#rows.forEach(({ text, isWrapped }, k) => {
      const line = isWrapped ? lines[lines.length - 1] : { text: '', cursor: null as number | null };
      if (!isWrapped) lines.push(line);
      if (k === this.#row) line.cursor = line.text.length + this.#column;
      line.text += text;
    });
    this.#rows = [];
    for (const { text, cursor } of lines) {
      const parts = Math.max(1, Math.ceil(text.length / columns));
      if (cursor !== null) {
        this.#row = this.#rows.length + Math.min(parts - 1, Math.floor(cursor / columns));
        this.#column = cursor % columns;
      }
      for (let k = 0; k < parts; k++)
        this.#rows.push({ text: text.slice(k * columns, (k + 1) * columns), isWrapped: k > 0 });
    }
  }

  /** Without what is blank at the end. */
  get text(): string {
    return this.#rows
      .map(({ text }) => text.trimEnd())
      .join('\n')
      .trimEnd();
  }

  #put(letter: string): void {
    if (this.#column >= this.columns) {
      if (this.#wraps) this.#lineBreak(true);
      else this.#column = this.columns - 1;
    }
    const row = this.#rows[this.#row];
    row.text = row.text.padEnd(this.#column).slice(0, this.#column) + letter + row.text.slice(this.#column + 1);
    this.#column++;
  }

  #lineBreak(isWrapped: boolean): void {
    this.#row++;
    this.#column = 0;
    this.#rows[this.#row] ??= { text: '', isWrapped };
  }

  #escape(escape: string): void {
    // eslint-disable-next-line no-control-regex -- the escapes of a terminal
    const [, number, letter] = /^\x1b\[(\??\d*)([A-Za-z])$/.exec(escape) ?? [];
    if (letter === 'A') this.#row = Math.max(0, this.#row - Number(number));
    else if (letter === 'J' && number === '') {
      const { text, isWrapped } = this.#rows[this.#row];
      this.#rows = [...this.#rows.slice(0, this.#row), { text: text.slice(0, this.#column), isWrapped }];
    } else if (letter === 'm') this.styles++;
    else if (number === '?7') this.#wraps = letter === 'h';
    else throw new Error(`an escape that the panel should not need: ${JSON.stringify(escape)}`);
  }
}
