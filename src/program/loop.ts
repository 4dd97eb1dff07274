/**
 * Iterations of a loop.
 *
 *   iteration i of an instruction  =  the first one, every number n in it replaced by n + i · stride
 *
 * Numbers are the indices of its operands' values and those in its texts (module path, segment, event, tag): layers, and the ids that
 * make names unique. Attributes are constants, or a column of one number an iteration.
 */
import type { Attributes } from '../ir/graph.js';
import type { Instruction, Loop, Repeated, Strides, ValueIndex } from './program.js';

/** All iterations, one after the other. */
export function iterationsOf({ times, body }: Loop): readonly Instruction[] {
  return Array.from({ length: times }, (_, i) => body.map((repeated) => iteration(repeated, i))).flat();
}

function iteration({ first, strides }: Repeated, i: number): Instruction {
  if (i === 0) return first;
  const source = {
    ...first.source,
    path: moved(first.source.path, strides.path, i),
    segment: moved(first.source.segment, strides.segment, i),
  };
  const value = valueAt(strides, i);
  switch (first.kind) {
    case 'kernel': {
      const inputs = first.inputs.map((operand, k) => ({ ...operand, value: value(operand.value, k) }));
      const made = first.inputs.length;
      const outputs = first.outputs.map((operand, k) => ({ ...operand, value: value(operand.value, made + k) }));
      const scratch = first.scratch === null ? null : value(first.scratch, made + first.outputs.length);
      const attributes = attributesAt(first.attributes, strides, i);
      return { ...first, source, attributes, inputs, outputs, scratch };
    }
    case 'collective': {
      const input = { ...first.input, value: value(first.input.value, 0) };
      const output = { ...first.output, value: value(first.output.value, 1) };
      const scratch = first.scratch === null ? null : value(first.scratch, 2);
      return { ...first, source, input, output, scratch };
    }
    case 'pack':
    case 'unpack':
    case 'pack_tile':
    case 'unpack_tile': {
      const input = { ...first.input, value: value(first.input.value, 0) };
      const output = { ...first.output, value: value(first.output.value, 1) };
      return { ...first, source, input, output };
    }
    case 'send':
    case 'receive': {
      const operand = { ...first.operand, value: value(first.operand.value, 0) };
      return { ...first, source, tag: moved(first.tag, strides.tag, i), operand };
    }
    default:
      return { ...first, source, event: moved(first.event, strides.event, i) };
  }
}

/** A text as what stands between its numbers, and its numbers; those written with leading zeros, or too long, count as text. */
export function parseNumbers(text: string): {
  readonly between: readonly string[];
  readonly numbers: readonly number[];
} {
  const between = [''];
  const numbers: number[] = [];
  for (const part of text.split(/(\d+)/)) {
    if (/^(0|[1-9]\d{0,14})$/.test(part)) {
      numbers.push(Number(part));
      between.push('');
    } else between[between.length - 1] += part;
  }
  return { between, numbers };
}

function moved(text: string, strides: readonly number[] | undefined, i: number): string {
  if (!strides) return text;
  const { between, numbers } = parseNumbers(text);
  return between.map((part, k) => (k === 0 ? part : `${numbers[k - 1] + i * strides[k - 1]}${part}`)).join('');
}

const valueAt =
  ({ operands }: Strides, i: number) =>
  (first: ValueIndex, operand: number): ValueIndex =>
    operands ? first + i * operands[operand] : first;

function attributesAt(first: Attributes, { attributes }: Strides, i: number): Attributes {
  if (!attributes) return first;
  return { ...first, ...Object.fromEntries(Object.entries(attributes).map(([name, column]) => [name, column[i]])) };
}
