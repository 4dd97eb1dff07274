/** Names of equal layers as one: how a loop names what its iterations read and write. */
import { parseNumbers } from './loop.js';

/** A number in the first iteration, and what is added to it in each that follows. */
export interface Moving {
  readonly first: number;
  readonly stride: number;
}

/** The names of all iterations as one, their numbers as functions of the layer. The first may differ: what comes from before the loop. */
export function printPattern(names: readonly string[], layer: Moving): string {
  const later = { ...layer, first: layer.first + layer.stride };
  return (
    patternOf(names, layer) ??
    afterFirst(names[0], names.length > 2 ? patternOf(names.slice(1), later) : null) ??
    names.join("' | '")
  );
}

const afterFirst = (first: string, rest: string | null) => (rest === null ? null : `${first}', then '${rest}`);

function patternOf(names: readonly string[], layer: Moving): string | null {
  const parsed = names.map(parseNumbers);
  const { between, numbers } = parsed[0];
  if (parsed.some((other) => other.between.join('\n') !== between.join('\n'))) return null;
  const strides = numbers.map((number, k) => (parsed[1]?.numbers[k] ?? number) - number);
  if (!parsed.every((one, i) => one.numbers.every((number, k) => number === numbers[k] + i * strides[k]))) return null;
  const printed = numbers.map((first, k) => printNumber({ first, stride: strides[k] }, layer));
  return between.map((part, k) => (k === 0 ? part : printed[k - 1] + part)).join('');
}

function printNumber({ first, stride }: Moving, layer: Moving): string {
  if (stride === 0) return String(first);
  const ahead = first - layer.first;
  if (stride === layer.stride && Math.abs(ahead) <= 1) return ahead === 0 ? '*' : ahead > 0 ? '*+1' : '*-1';
  return `{${first}${stride > 0 ? '+' : ''}${stride}}`;
}
