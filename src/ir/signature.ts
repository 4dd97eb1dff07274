/** Signatures of fused ops: parsing, and binding letters to the factors of actual operands. The grammar stands in `op.ts`. */
import { bindingMismatch } from './diagnostics.js';
import { atLeastF32, isFloat, type DType } from './dtype.js';
import type { Attributes } from './graph.js';
import type { BoundOp, OpCall } from './op.js';
import type { OpRule, RuleFactor } from './rule.js';
import { factorsOf, prime, type Factor, type FactorName, type TensorType } from './type.js';

export interface Slot {
  readonly name: string;
  readonly class: 'float' | 'f32' | 'int' | 'bool';
  readonly letters: readonly string[];
}

export interface Signature {
  readonly operands: readonly Slot[];
  readonly results: readonly Slot[];
  readonly whole: ReadonlySet<string>;
}

export function parseSignature(text: string): Signature {
  const [left, right] = text.split('->');
  const whole = new Set<string>();
  const slots = (side: string): Slot[] =>
    [...side.matchAll(/(\w+)\s*:\s*(float|f32|int|bool)\s*\[([^\]]*)\]/g)].map(([, name, cls, body]) => {
      const letters = body.split(/\s+/).filter(Boolean);
      for (const letter of letters) if (letter.endsWith('!')) whole.add(letter.slice(0, -1));
      return { name, class: cls as Slot['class'], letters: letters.map((letter) => letter.replace('!', '')) };
    });
  return { operands: slots(left), results: slots(right ?? ''), whole };
}

/** Letter → the factors (by the names this op uses) that it binds to. */
export type LetterBinding = ReadonlyMap<string, readonly Factor[]>;

/**
 * Binds letters operand by operand. Within an operand at most one letter may still be unknown: it takes the factors the others leave.
 * Where that does not decide, the attribute `letters` does: `['v=vocab', 't=batch sequence']`.
 */
export function bindLetters(op: string, signature: Signature, call: OpCall): LetterBinding {
  const bound = new Map<string, Factor[]>();
  const taken = new Set<FactorName>();
  const given = givenLetters(call.attributes);
  const pending = signature.operands.map((slot, i) => ({ slot, i }));
  const claim = (letter: string, factors: readonly Factor[]) => {
    const own = factors.map(({ name, size }) => {
      const unique = prime(name, taken);
      taken.add(unique);
      return { name: unique, size };
    });
    bound.set(letter, own);
  };
  for (let progress = true; progress && pending.length > 0;) {
    progress = false;
    for (const entry of [...pending]) {
      const { slot, i } = entry;
      const all = factorsOf(call.operands[i]).map((f, k) => ({ name: call.names[i][k], size: f.size }));
      const unknown = slot.letters.filter((letter) => !bound.has(letter));
      const undecided = unknown.filter((letter) => !given.has(letter));
      if (undecided.length > 1) continue;
      const lengthOf = (letter: string) => bound.get(letter)?.length ?? given.get(letter)?.length ?? 0;
      const known = slot.letters.filter((l) => !undecided.includes(l)).reduce((n, letter) => n + lengthOf(letter), 0);
      let position = 0;
      for (const letter of slot.letters) {
        const length = undecided.includes(letter) ? all.length - known : lengthOf(letter);
        const factors = all.slice(position, position + length);
        if (length < 0 || factors.length !== length) throw bindingMismatch({ op, operand: slot.name, letter, call });
        const before = bound.get(letter);
        if (!before) claim(letter, factors);
        else if (before.some((f, k) => f.size !== factors[k].size)) {
          throw bindingMismatch({ op, operand: slot.name, letter, call });
        }
        position += length;
      }
      if (position !== all.length) throw bindingMismatch({ op, operand: slot.name, letter: null, call });
      pending.splice(pending.indexOf(entry), 1);
      progress = true;
    }
  }
  if (pending.length > 0) throw bindingMismatch({ op, operand: pending[0].slot.name, letter: null, call });
  return bound;
}

/** The rule and result types of a fused op. `linear` is by operand name. */
export function bindSignature(
  op: string,
  signature: Signature,
  call: OpCall,
  options: { linear: readonly (readonly string[])[]; reductions?: Readonly<Record<string, 'sum' | 'max'>> },
): BoundOp {
  const letters = bindLetters(op, signature, call);
  const factors: Record<FactorName, RuleFactor> = {};
  for (const [letter, list] of letters) {
    for (const { name, size } of list) factors[name] = signature.whole.has(letter) ? { size, whole: true } : { size };
  }
  const namesOfSlot = (slot: Slot) => slot.letters.flatMap((letter) => letters.get(letter)!.map((f) => f.name));
  const firstFloat = call.operands.find((_, i) => signature.operands[i].class === 'float')?.dtype ?? 'f32';
  const rule: OpRule = {
    factors,
    operands: signature.operands.map(namesOfSlot),
    results: signature.results.map(namesOfSlot),
    reductions: signature.results.map((slot) => options.reductions?.[slot.name] ?? 'sum'),
    linear: options.linear.map((set) => set.map((name) => signature.operands.findIndex((slot) => slot.name === name))),
    letters: Object.fromEntries([...letters].map(([letter, list]) => [letter, list.map((f) => f.name)])),
    origins: [],
  };
  return { rule, results: signature.results.map((slot) => resultType(slot, letters, resultDtype(slot, firstFloat))) };
}

function resultDtype(slot: Slot, firstFloat: DType): DType {
  if (slot.class === 'float') return firstFloat;
  if (slot.class === 'f32') return isFloat(firstFloat) ? atLeastF32(firstFloat) : 'f32';
  return slot.class === 'bool' ? 'bool' : 'i32';
}

function resultType(slot: Slot, letters: LetterBinding, dtype: DType): TensorType {
  return { dtype, dims: slot.letters.flatMap((letter) => letters.get(letter)!.map((f) => [f])) };
}

function givenLetters(attributes: Attributes): ReadonlyMap<string, readonly string[]> {
  const list = (attributes.letters ?? []) as readonly string[];
  return new Map(
    list.map((entry) => {
      const [letter, names] = entry.split('=');
      return [letter, names.split(' ').filter(Boolean)] as const;
    }),
  );
}
