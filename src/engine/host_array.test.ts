import { expect, test } from 'vitest';
import { bf16Bits, bf16Number, decode, encode, f16Bits, f16Number, isHostArray } from './host_array.js';

const patterns = Array.from({ length: 65536 }, (_, bits) => bits);

test('every f16 pattern keeps its bits, and its number is the one IEEE 754 defines', () => {
  for (const bits of patterns) {
    const number = f16Number(bits);
    const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    if (exponent === 31 && fraction) {
      expect(number).toBeNaN();
      continue;
    }
    const magnitude =
      exponent === 31 ? Infinity : exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : fraction / 2 ** 24;
    if (!Object.is(number, sign * magnitude) || f16Bits(number) !== bits) expect.fail(`pattern ${bits.toString(16)}`);
  }
});

test('every bf16 pattern is the upper half of its f32', () => {
  const f32 = new Float32Array(1);
  const words = new Uint32Array(f32.buffer);
  for (const bits of patterns) {
    words[0] = bits * 65536;
    const number = bf16Number(bits);
    if (!Object.is(number, f32[0])) expect.fail(`pattern ${bits.toString(16)}`);
    if (!Number.isNaN(number) && bf16Bits(number) !== bits) expect.fail(`pattern ${bits.toString(16)}`);
  }
});

test('halfway numbers go to the even neighbour', () => {
  expect(bf16Number(bf16Bits(1 + 2 ** -8))).toBe(1);
  expect(bf16Number(bf16Bits(1 + 3 * 2 ** -8))).toBe(1 + 2 ** -6);
  expect(f16Number(f16Bits(1 + 2 ** -11))).toBe(1);
  expect(f16Number(f16Bits(1 + 3 * 2 ** -11))).toBe(1 + 2 ** -9);
  expect(f16Number(f16Bits(65520))).toBe(Infinity);
  expect(f16Number(f16Bits(2 ** -25))).toBe(0);
});

test('blocks come back as they went in', () => {
  const values = [0, 1, 0, 1];
  for (const dtype of ['f64', 'f32', 'bf16', 'f16', 'i64', 'i32', 'bool'] as const) {
    const array = encode(dtype, values);
    expect(isHostArray(dtype, array)).toBe(true);
    expect([...decode(dtype, array)]).toEqual(values);
  }
  expect([...decode('i64', encode('i64', [-5, 2 ** 40]))]).toEqual([-5, 2 ** 40]);
});
