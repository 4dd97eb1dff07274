/** What an instruction asks of the kernel table. */
import { axesSize, type Mesh } from '../ir/mesh.js';
import { rowMajor } from '../ir/strides.js';
import { elementsOf, sizesOf } from '../ir/type.js';
import type { KernelShape } from '../kernels/chooser.js';
import type { ExchangeShape } from '../kernels/exchanges.js';
import type { Block } from '../kernels/site.js';
import type { CollectiveInstruction, KernelInstruction, ProgramValue } from './program.js';

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

/** What a collective of a group's ranks asks. */
export const exchangeShape = (
  { move, axes, output }: Pick<CollectiveInstruction, 'move' | 'axes' | 'output'>,
  values: readonly ProgramValue[],
  mesh: Mesh,
): ExchangeShape => {
  const { type } = values[output.value];
  return {
    kind: move.kind,
    members: axesSize(mesh, axes),
    dtype: type.dtype,
    outputElements: elementsOf(type),
  };
};

const blockOf = ({ type, view }: ProgramValue): Block => ({
  dtype: type.dtype,
  sizes: sizesOf(type),
  strides: view?.strides ?? rowMajor(sizesOf(type)),
});
