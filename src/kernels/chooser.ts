/** What lowering and the verifier ask of the kernel table: which kernel runs an op, and which workspace does it take. */
import type { OpRule } from '../ir/rule.js';
import type { DeviceType } from './device.js';
import type { ExchangeShape } from './exchanges.js';
import type { KernelSite } from './site.js';

/** An entry of the kernel table: how an op runs on a type of device. What it launches follows from it and the blocks. */
export interface KernelId {
  readonly device: DeviceType | 'reference';
  /** Among the op's own: `matmul`, `layer_norm on copies`. */
  readonly id: string;
}

export interface KernelChooser {
  /** True where the target runs this op, with factors of these global sizes, by a kernel; else its decomposition is placed instead. */
  has(op: string, rule?: OpRule): boolean;
  /** True where the op's kernel can add to a result instead of overwriting it. */
  accumulates(op: string): boolean;
  /** The kernel for such blocks. Throws where there is none. */
  choose(call: KernelShape): KernelId;
  /** Bytes of workspace of a kernel on such blocks; null where it is no kernel of the op's, or does not take them. */
  scratchBytes(kernel: KernelId, call: KernelShape): number | null;
  /** Bytes of workspace of one collective. */
  exchangeBytes(call: ExchangeShape): number;
}

/** A site wherever its blocks begin: which kernel takes them depends on their strides alone. */
export type KernelShape = Omit<KernelSite, 'origins'>;

/** The reference engine runs every op and takes no workspace. */
export const referenceKernels: KernelChooser = {
  has: () => true,
  accumulates: () => true,
  choose: ({ op }) => ({ device: 'reference', id: op }),
  scratchBytes: ({ device, id }, { op }) => (device === 'reference' && id === op ? 0 : null),
  exchangeBytes: () => 0,
};
