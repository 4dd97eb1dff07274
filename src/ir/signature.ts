/** Signatures of fused ops: parsing, and binding letters to the factors of actual operands. The grammar stands in `op.ts`. */
import { bindingMismatch, unknownLetter, wrongDtype } from './diagnostics.js';
import { isFloat, type DType } from './dtype.js';
import type { Attributes } from './graph.js';
import type { BoundOp, OpCall } from './op.js';
import type { OpRule, RuleFactor } from './rule.js';
import { factorsOf, prime, withoutPrimes, type Factor, type FactorName, type TensorType } from './type.js';

export interface SignatureSlot {
  readonly name: string;
  readonly class: 'float' | 'f32' | 'int' | 'bool';
  readonly letters: readonly string[];
  /** A call may do without it. */
  readonly optional?: true;
}

export interface Signature {
  readonly operands: readonly SignatureSlot[];
  readonly results: readonly SignatureSlot[];
  /** What is said of a letter: see the grammar. */
  readonly marks: ReadonlyMap<string, Mark>;
}

/** `whole`: unsplit. `placed`: its kernel is told where its block begins. `run`: told so too, all but its first factor unsplit. */
export type Mark = 'whole' | 'placed' | 'run';

/** As a signature writes them. */
export const textOfMark = { whole: '!', placed: '@', run: '@!' } as const satisfies Readonly<Record<Mark, string>>;

export type MarkText = (typeof textOfMark)[Mark];

export const markOf = (text: MarkText): Mark =>
  (Object.keys(textOfMark) as Mark[]).find((mark) => textOfMark[mark] === text)!;

export function parseSignature(text: string): Signature {
  const [left, right] = text.split('->');
  const marks = new Map<string, Mark>();
  const slots = (side: string): SignatureSlot[] =>
    [...side.matchAll(/(\w+)(\?)?\s*:\s*(float|f32|int|bool)\s*\[([^\]]*)\]/g)].map(([, name, optional, cls, body]) => {
      const letters = [...body.matchAll(/(\w+)(@!|@|!)?/g)].map(([, letter, mark]) => {
        if (mark) marks.set(letter, markOf(mark as MarkText));
        return letter;
      });
      return { name, class: cls as SignatureSlot['class'], letters, ...(optional && { optional: true }) };
    });
  return { operands: slots(left), results: slots(right ?? ''), marks };
}

/** Letter → the factors (by the names this op uses) that it binds to. */
export type LetterBinding = ReadonlyMap<string, readonly Factor[]>;

/**
 * Binds letters to factors, operand by operand.
 *
 * An operand with one unknown letter gives it the factors that the others leave; one with as many factors as letters gives each one.
 * Where neither decides, known letters are found by name, and in each gap between them the first unknown letter takes what the
 * following ones, a factor each, leave: `q: [b s g r d]` of `microbatch batch sequence heads group head_dim` has
 * `b = microbatch batch`. The attribute `letters` overrules: `['v=vocab', 't=batch sequence']`.
 */
export function bindLetters(op: string, signature: Signature, call: OpCall): LetterBinding {
  const bound = new Map<string, readonly Factor[]>();
  const taken = new Set<FactorName>();
  const given = givenLetters(call.attributes);
  const pending = signature.operands.map((slot, i) => ({
    slot,
    factors: factorsOf(call.operands[i]).map((f, k): Factor => ({ name: call.names[i][k], size: f.size })),
  }));
  const lengthOf = (letter: string) => bound.get(letter)?.length ?? given.get(letter)?.length;
  const unknown = (slot: SignatureSlot) => slot.letters.filter((letter) => lengthOf(letter) === undefined);
  const known = (slot: SignatureSlot) => slot.letters.reduce((n, letter) => n + (lengthOf(letter) ?? 0), 0);
  while (pending.length > 0) {
    const next =
      pending.find(({ slot }) => unknown(slot).length <= 1) ??
      pending.find(({ slot, factors }) => unknown(slot).length === factors.length - known(slot)) ??
      pending[0];
    pending.splice(pending.indexOf(next), 1);
    const { slot, factors } = next;
    const lengths = lettersOf(slot, factors, lengthOf, bound);
    let position = 0;
    for (const letter of slot.letters) {
      const length = lengths.get(letter) ?? -1;
      const own = factors.slice(position, position + length);
      const before = bound.get(letter);
      const named = given.get(letter);
      const fits =
        length >= 0 &&
        own.length === length &&
        (!before || before.every((f, k) => f.size === own[k].size)) &&
        (!named || before || named.every((name, k) => withoutPrimes(name) === withoutPrimes(own[k].name)));
      if (!fits) throw bindingMismatch({ op, operand: slot.name, letter, call });
      if (!before) bound.set(letter, claim(own, taken));
      position += length;
    }
    if (position !== factors.length) throw bindingMismatch({ op, operand: slot.name, letter: null, call });
  }
  return bound;
}

/** Throws where the attribute `letters` names one that the signature lacks. */
export function checkLetters(op: string, { operands }: Signature, { attributes }: OpCall): void {
  const has = [...new Set(operands.flatMap(({ letters }) => letters))];
  const unknown = [...givenLetters(attributes).keys()].find((letter) => !has.includes(letter));
  if (unknown !== undefined) throw unknownLetter({ op, letter: unknown, has });
}

/** How many factors of an operand each of its letters covers. */
function lettersOf(
  slot: SignatureSlot,
  factors: readonly Factor[],
  lengthOf: (letter: string) => number | undefined,
  bound: LetterBinding,
): ReadonlyMap<string, number> {
  const lengths = new Map<string, number>();
  let gap: string[] = [];
  let position = 0;
  const closeGap = (end: number) => {
    if (gap.length === 0) return;
    gap.forEach((letter, k) => lengths.set(letter, k === 0 ? end - position - (gap.length - 1) : 1));
    position = end;
    gap = [];
  };
  slot.letters.forEach((letter, i) => {
    const length = lengthOf(letter);
    if (length === undefined) {
      gap.push(letter);
      return;
    }
    const rest = slot.letters.slice(i);
    const byCount = factors.length - rest.reduce((n, l) => n + (lengthOf(l) ?? 1), 0);
    const lastGap = rest.every((l) => lengthOf(l) !== undefined);
    const name = bound.get(letter)?.[0]?.name;
    const byName = factors.findIndex((f, k) => k >= position + gap.length && f.name === name);
    closeGap(lastGap || byName < 0 ? byCount : byName);
    lengths.set(letter, length);
    position += length;
  });
  closeGap(factors.length);
  return lengths;
}

/** Factors under names that are unique within the op. */
function claim(factors: readonly Factor[], taken: Set<FactorName>): readonly Factor[] {
  return factors.map(({ name, size }) => {
    const unique = prime(name, taken);
    taken.add(unique);
    return { name: unique, size };
  });
}

/** Letters of which part i of the first meets part i + `turn` of the second, of so many parts: their first factors are split together. */
export interface Pair {
  readonly letters: readonly [string, string];
  readonly parts: number;
  readonly turn: number;
}

export interface BindOptions {
  /** Sets of operands, by name. */
  readonly linear: readonly (readonly string[])[];
  readonly reductions?: Readonly<Record<string, 'sum' | 'max'>>;
  readonly paired?: Pair;
}

/** The rule and result types of a fused op. */
export function bindSignature(op: string, signature: Signature, call: OpCall, options: BindOptions): BoundOp {
  signature.operands.forEach((slot, i) => {
    if (!classes[slot.class](call.operands[i].dtype)) {
      throw wrongDtype({ op, operand: slot.name, wants: slot.class, dtype: call.operands[i].dtype });
    }
  });
  const letters = bindLetters(op, signature, call);
  const factors: Record<FactorName, RuleFactor> = {};
  const origins: FactorName[] = [];
  const { paired } = options;
  const first = (letter: string | undefined) => (letter === undefined ? undefined : letters.get(letter)?.[0]?.name);
  const [one, other] = [first(paired?.letters[0]), first(paired?.letters[1])];
  for (const [letter, list] of letters) {
    const isPaired = paired !== undefined && paired.letters.includes(letter);
    const mark = isPaired ? 'run' : signature.marks.get(letter);
    list.forEach(({ name, size }, k) => {
      const whole = mark === 'whole' || (mark === 'run' && k > 0);
      const parts = paired && name === one ? { parts: paired.parts } : {};
      const tied = paired && name === other ? { tied: { to: one!, turn: paired.turn } } : {};
      factors[name] = whole ? { size, whole } : { size, ...parts, ...tied };
      if (mark && !whole) origins.push(name);
    });
  }
  const namesOfSlot = (slot: SignatureSlot) =>
    slot.letters.flatMap((letter) => letters.get(letter)!.map((f) => f.name));
  const floats = call.operands.filter((type) => isFloat(type.dtype)).map((type) => type.dtype);
  const firstFloat = call.operands.find((_, i) => signature.operands[i].class === 'float')?.dtype ?? 'f32';
  const accumulator: DType = floats.includes('f64') ? 'f64' : 'f32';
  const rule: OpRule = {
    factors,
    operands: signature.operands.map(namesOfSlot),
    results: signature.results.map(namesOfSlot),
    reductions: signature.results.map((slot) => options.reductions?.[slot.name] ?? 'sum'),
    linear: options.linear.map((set) => set.map((name) => signature.operands.findIndex((slot) => slot.name === name))),
    letters: Object.fromEntries([...letters].map(([letter, list]) => [letter, list.map((f) => f.name)])),
    origins,
  };
  return {
    rule,
    results: signature.results.map((slot) => resultType(slot, letters, resultDtype(slot, firstFloat, accumulator))),
  };
}

const classes: Readonly<Record<SignatureSlot['class'], (dtype: DType) => boolean>> = {
  float: isFloat,
  f32: (dtype) => dtype === 'f32' || dtype === 'f64',
  int: (dtype) => dtype === 'i32' || dtype === 'i64',
  bool: (dtype) => dtype === 'bool',
};

function resultDtype(slot: SignatureSlot, firstFloat: DType, accumulator: DType): DType {
  if (slot.class === 'float') return firstFloat;
  if (slot.class === 'f32') return accumulator;
  return slot.class === 'bool' ? 'bool' : 'i32';
}

function resultType(slot: SignatureSlot, letters: LetterBinding, dtype: DType): TensorType {
  return { dtype, dims: slot.letters.flatMap((letter) => letters.get(letter)!.map((f) => [f])) };
}

function givenLetters(attributes: Attributes): ReadonlyMap<string, readonly string[]> {
  const list = (attributes.letters ?? []) as readonly string[];
  return new Map(
    list.map((entry) => {
      const [letter, names = ''] = entry.split('=');
      return [letter, names.split(' ').filter(Boolean)] as const;
    }),
  );
}
