/** Texts of objects that are met again and again, written once each; and numbers in their place. */

/** `print`, which remembers the text of each object. */
export function writtenOnce<T extends object>(print: (of: T) => string): (of: T) => string {
  const known = new WeakMap<T, string>();
  return (object) => {
    let text = known.get(object);
    if (text === undefined) known.set(object, (text = print(object)));
    return text;
  };
}

/** A number for each text, shorter than it: equal for objects that print equally. */
export class Numbers<T extends object> {
  private readonly print: (of: T) => string;
  private readonly byObject = new WeakMap<T, number>();
  private readonly byText = new Map<string, number>();

  constructor(print: (of: T) => string) {
    this.print = print;
  }

  of(object: T): number {
    let number = this.byObject.get(object);
    if (number !== undefined) return number;
    const text = this.print(object);
    number = this.byText.get(text) ?? this.byText.size;
    this.byText.set(text, number);
    this.byObject.set(object, number);
    return number;
  }
}
