/** What an instruction asks of the kernel table. */
import { rowMajor } from '../ir/strides.js';
import { sizesOf } from '../ir/type.js';
import type { KernelShape } from '../kernels/chooser.js';
import type { Block } from '../kernels/site.js';
import type { KernelInstruction, ProgramValue } from './program.js';

/** What an instruction asks of its kernel. */
export const kernelShape = (
  {
    op,
    rule,
    attributes,
    inputs,
    outputs,
  }: Pick<KernelInstruction, 'op' | 'rule' | 'attributes' | 'inputs' | 'outputs'>,
  values: readonly ProgramValue[],
): KernelShape => ({
  op,
  rule,
  attributes,
  inputs: inputs.map(({ value }) => blockOf(values[value])),
  outputs: outputs.map(({ value }) => blockOf(values[value])),
  accumulates: outputs.map(({ access }) => access === 'accumulate'),
  sameInputs: inputs.every(({ value }) => value === inputs[0].value),
});

const blockOf = ({ type, view }: ProgramValue): Block => ({
  dtype: type.dtype,
  sizes: sizesOf(type),
  strides: view?.strides ?? rowMajor(sizesOf(type)),
});
