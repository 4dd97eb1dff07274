/** What lowering and the verifier ask of the kernel table: is there a kernel, and which workspace does it take. */
import type { Attributes } from '../ir/graph.js';
import type { OpRule } from '../ir/rule.js';
import type { ExchangeShape } from './exchanges.js';
import type { Block } from './site.js';

export interface KernelChooser {
  /** True where the target runs this op, with factors of these global sizes, by a kernel; else its decomposition is placed instead. */
  has(op: string, rule?: OpRule): boolean;
  /** True where the op's kernel can add to a result instead of overwriting it. */
  accumulates(op: string): boolean;
  /** Bytes of workspace of one launch on such blocks. */
  scratchBytes(call: KernelShape): number;
  /** Bytes of workspace of one collective. */
  exchangeBytes(call: ExchangeShape): number;
}

export interface KernelShape {
  readonly op: string;
  readonly rule: OpRule;
  readonly attributes: Attributes;
  /** Local blocks: which kernel takes them depends on their strides. */
  readonly inputs: readonly Block[];
  readonly outputs: readonly Block[];
  /** Which results are added to what is there. */
  readonly accumulates: readonly boolean[];
  /** All inputs are one value. */
  readonly sameInputs: boolean;
}

/** The reference engine runs every op and takes no workspace. */
export const referenceKernels: KernelChooser = {
  has: () => true,
  accumulates: () => true,
  scratchBytes: () => 0,
  exchangeBytes: () => 0,
};
