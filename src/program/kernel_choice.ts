/** What lowering asks of the kernel table: is there a kernel, and which workspace does it take. */
import type { Attributes } from '../ir/graph.js';
import type { OpRule } from '../ir/rule.js';
import type { TensorType } from '../ir/type.js';

export interface KernelChooser {
  /** True where the target runs this op by a kernel; else its decomposition is placed instead. */
  has(op: string): boolean;
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

/** The reference engine runs every op and takes no workspace. */
export const referenceKernels: KernelChooser = { has: () => true, accumulates: () => true, scratchBytes: () => 0 };
