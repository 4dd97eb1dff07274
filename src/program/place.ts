/** Where a value lies: the one answer that lowering, memory planner, verifier and engines give. */
import { dtypeBytes } from '../ir/dtype.js';
import { rowMajor } from '../ir/strides.js';
import { sizesOf } from '../ir/type.js';
import type { RankClass, ValueIndex } from './program.js';

export interface BufferPlace {
  /** The buffer, which has an address of its own. */
  readonly base: ValueIndex;
  /** Of the value's first element, in bytes from the buffer's first. */
  readonly offset: number;
  /** In elements, one a factor. */
  readonly strides: readonly number[];
}

/** A view is of a buffer, never of another view, and of its element type: the verifier sees to it. */
export function placeOf(values: RankClass['values'], value: ValueIndex): BufferPlace {
  const { type, view } = values[value];
  return view
    ? { base: view.of, offset: view.offset * dtypeBytes[type.dtype], strides: view.strides }
    : { base: value, offset: 0, strides: rowMajor(sizesOf(type)) };
}

/** The buffer that a value lies in. */
export const baseOf = (values: RankClass['values'], value: ValueIndex): ValueIndex => values[value].view?.of ?? value;
