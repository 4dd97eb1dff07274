/** What lowering and the verifier ask of the kernel table: is there a kernel, and which workspace does it take. */
import type { Attributes } from '../ir/graph.js';
import type { OpRule } from '../ir/rule.js';
import type { TensorType } from '../ir/type.js';
import type { KernelInstruction, ProgramValue } from './program.js';

export interface KernelChooser {
  /** True where the target runs this op, with factors of these global sizes, by a kernel; else its decomposition is placed instead. */
  has(op: string, rule?: OpRule): boolean;
  /** True where the op's kernel can add to a result instead of overwriting it. */
  accumulates(op: string): boolean;
  /** Bytes of workspace of one launch on blocks of these local types. */
  scratchBytes(call: KernelShape): number;
}

export interface KernelShape {
  readonly op: string;
  readonly rule: OpRule;
  readonly attributes: Attributes;
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
  /** All inputs are one value. */
  readonly sameInputs: boolean;
}

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
  inputs: inputs.map(({ value }) => values[value].type),
  outputs: outputs.map(({ value }) => values[value].type),
  sameInputs: inputs.every(({ value }) => value === inputs[0].value),
});

/** The reference engine runs every op and takes no workspace. */
export const referenceKernels: KernelChooser = { has: () => true, accumulates: () => true, scratchBytes: () => 0 };
