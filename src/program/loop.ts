/**
 * Iterations of a loop.
 *
 *   iteration i of an instruction  =  the first one, every number n in it replaced by n + i · stride
 *
 * Numbers are the indices of its operands' values, that of the value in its tag, and those in its texts (module path, segment, event):
 * layers, and the ids that make names unique. Attributes are constants, or a column of one number an iteration.
 */
import type { Attributes } from '../ir/graph.js';
import { withOperands } from './kinds.js';
import type { Instruction, Loop, Repeated, Strides } from './program.js';

/** All iterations, one after the other. */
export function iterationsOf({ times, body }: Loop): readonly Instruction[] {
  return Array.from({ length: times }, (_, i) => body.map((repeated) => iteration(repeated, i))).flat();
}

function iteration({ first, strides }: Repeated, i: number): Instruction {
  if (i === 0) return first;
  const { operands } = strides;
  return {
    ...(operands ? withOperands(first, ({ value }, k) => value + i * operands[k]) : first),
    source: {
      ...first.source,
      path: moved(first.source.path, strides.path, i),
      segment: moved(first.source.segment, strides.segment, i),
    },
    ...('event' in first ? { event: moved(first.event, strides.event, i) } : {}),
    ...('tag' in first ? { tag: { ...first.tag, value: first.tag.value + i * (strides.tag?.[0] ?? 0) } } : {}),
    ...('attributes' in first ? { attributes: attributesAt(first.attributes, strides, i) } : {}),
  };
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

function attributesAt(first: Attributes, { attributes }: Strides, i: number): Attributes {
  if (!attributes) return first;
  return { ...first, ...Object.fromEntries(Object.entries(attributes).map(([name, column]) => [name, column[i]])) };
}
