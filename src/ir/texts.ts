/** What is made of objects that are met again and again, such as their texts: once each; and numbers in place of texts. */

/** `make`, which remembers what it has made of each object. */
export function madeOnce<T extends object, Made extends NonNullable<unknown> | null>(
  make: (of: T) => Made,
): (of: T) => Made {
  const known = new WeakMap<T, Made>();
  return (object) => {
    let made = known.get(object);
    if (made === undefined) known.set(object, (made = make(object)));
    return made;
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
