/**
 * Arithmetic on whole numbers, as TypeScript and C++ both read it.
 *
 *   sum      =  product (('+' | '-') product)*
 *   product  =  factor (('*' | '/') factor)*          '/' rounds down
 *   factor   =  number | name | name '(' sum (',' sum)* ')' | '(' sum ')'
 */
/** Functions that every formula may use. */
const functions: Readonly<Record<string, (x: number, y: number) => number>> = {
  min: (x, y) => Math.min(x, y),
  max: (x, y) => Math.max(x, y),
  per: (x, y) => Math.ceil(x / y),
  up: (x, y) => Math.ceil(x / y) * y,
  down: (x, y) => Math.floor(x / y) * y,
  several: (x) => (x > 1 ? x : 0),
};

/** The value of a formula; `call` answers functions that are none of the common ones. Throws an Error where the text is no formula. */
export function evaluate(
  text: string,
  values: Readonly<Record<string, number>>,
  call: (name: string, values: readonly number[]) => number,
): number {
  const tokens = tokensOf(text);
  let at = 0;
  const next = () => tokens[at++];
  const expect = (token: string) => {
    if (next() !== token) throw new Error(`'${text}' lacks a '${token}' at word ${at}`);
  };
  const sum = (): number => {
    let value = product();
    while (tokens[at] === '+' || tokens[at] === '-') value = next() === '+' ? value + product() : value - product();
    return value;
  };
  const product = (): number => {
    let value = factor();
    while (tokens[at] === '*' || tokens[at] === '/')
      value = next() === '*' ? value * factor() : Math.floor(value / factor());
    return value;
  };
  const factor = (): number => {
    const token = next();
    if (token === '(') {
      const value = sum();
      expect(')');
      return value;
    }
    if (/^\d/.test(token)) return Number(token);
    if (tokens[at] !== '(') {
      if (!Object.hasOwn(values, token)) throw new Error(`'${text}' names '${token}', which is not given`);
      return values[token];
    }
    next();
    const given = [sum()];
    while (tokens[at] === ',') {
      next();
      given.push(sum());
    }
    expect(')');
    return Object.hasOwn(functions, token) ? functions[token](given[0], given[1]) : call(token, given);
  };
  const value = sum();
  if (at < tokens.length) throw new Error(`'${text}' goes on after its end, with '${tokens[at]}'`);
  return value;
}

const known = new Map<string, readonly string[]>();

function tokensOf(text: string): readonly string[] {
  const found = known.get(text) ?? text.match(/\d+|\w+|[-+*/(),]/g) ?? [];
  known.set(text, found);
  return found;
}
