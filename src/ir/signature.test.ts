import { describe, expect, test } from 'vitest';
import { bindLetters, bindSignature, parseSignature } from './signature.js';
import { tensorType } from './type.js';
import type { DType } from './dtype.js';
import type { OpCall } from './op.js';

/** A call with single-factor dimensions: `'batch=8 dim=4'`. */
const call = (operands: readonly string[], letters?: readonly string[], dtypes: readonly DType[] = []): OpCall => {
  const types = operands.map((text, i) =>
    tensorType(
      dtypes[i] ?? 'f32',
      Object.fromEntries(
        text
          .split(' ')
          .filter(Boolean)
          .map((f) => [f.split('=')[0], Number(f.split('=')[1])]),
      ),
    ),
  );
  return {
    operands: types,
    names: types.map((type) => type.dims.flat().map((f) => f.name)),
    attributes: letters ? { letters } : {},
  };
};

const bound = (signature: string, ...args: Parameters<typeof call>): Record<string, string> =>
  Object.fromEntries(
    [...bindLetters('op', parseSignature(signature), call(...args))].map(([l, fs]) => [
      l,
      fs.map((f) => f.name).join(' '),
    ]),
  );

const attention = 'q: float[b s! g r d!], k: float[b t! g d] -> o: float[b s g r d]';

describe('letters bind', () => {
  test('the last one to the last factor, the first to the rest', () => {
    expect(bound('x: float[t v!] -> y: float[t v]', ['batch=2 sequence=3 vocab=4'])).toEqual({
      t: 'batch sequence',
      v: 'vocab',
    });
  });

  test('to what another operand decides', () => {
    const signature = 'x: float[t c!], weight: float[c] -> y: float[t c]';
    expect(bound(signature, ['batch=2 heads=3 dim=4', 'heads=3 dim=4'])).toEqual({ t: 'batch', c: 'heads dim' });
  });

  test('in attention, batch to every leading factor, and keys apart from queries of the same name', () => {
    const q = 'microbatch=2 batch=3 sequence=4 kv=5 group=6 dim=7';
    const k = 'microbatch=2 batch=3 sequence=4 kv=5 dim=7';
    expect(bound(attention, [q, k])).toEqual({
      b: 'microbatch batch',
      s: 'sequence',
      g: 'kv',
      r: 'group',
      d: 'dim',
      t: "sequence'",
    });
  });

  test('where known letters stand between unknown ones, by name', () => {
    const rotary = 'x: float[b s h p! f], cos: f32[s f] -> y: float[b s h p f]';
    expect(bound(rotary, ['batch=2 sequence=3 kv=3 group=2 pair=2 half=5', 'sequence=3 half=5'])).toEqual({
      b: 'batch',
      s: 'sequence',
      h: 'kv group',
      p: 'pair',
      f: 'half',
    });
  });

  test('as the attribute says, to none if it says so', () => {
    const q = 'batch=3 sequence=4 heads=5 dim=7';
    const letters = ['b=batch', 's=sequence', 't=sequence', 'g=heads', 'r=', 'd=dim'];
    expect(bound(attention, [q, q], letters)).toMatchObject({ g: 'heads', r: '', t: "sequence'" });
  });

  test('not where sizes differ, factors are left over, or the attribute names others', () => {
    const signature = 'x: float[t c], weight: float[c] -> y: float[t c]';
    expect(() => bound(signature, ['a=2 b=3', 'b=4'])).toThrow(/ir\/binding-mismatch/);
    expect(() => bound('x: float[] -> y: float[]', ['a=2'])).toThrow(/ir\/binding-mismatch/);
    expect(() => bound('x: float[t v] -> y: float[t]', ['a=2 b=3'], ['v=a'])).toThrow(/ir\/binding-mismatch/);
  });
});

describe('element types', () => {
  const signature = parseSignature('x: float[t], ids: int[t] -> y: float[t], statistic: f32[t]');
  const types = (x: DType, ids: DType) =>
    bindSignature('op', signature, call(['a=2', 'a=2'], undefined, [x, ids]), { linear: [] }).results.map(
      (r) => r.dtype,
    );

  test('follow the first float operand, and f32 means at least f32', () => {
    expect(types('bf16', 'i32')).toEqual(['bf16', 'f32']);
    expect(types('f64', 'i64')).toEqual(['f64', 'f64']);
  });

  test('of another class are refused', () => {
    expect(() => types('i32', 'i32')).toThrow(/ir\/wrong-dtype/);
    expect(() => types('f32', 'f32')).toThrow(/ir\/wrong-dtype/);
  });
});
