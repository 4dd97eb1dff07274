/** What a program is compiled for: the reference engine, or the native engine on a type of device. */
import type { OpRegistry } from '../ir/op.js';
import type { DeviceType } from './device.js';
import { referenceKernels, type KernelChooser } from './chooser.js';
import { nativeKernels } from './native_kernels.js';

export type Target = DeviceType | 'reference';

export const kernelsOf = (target: Target, registry: OpRegistry): KernelChooser =>
  target === 'reference' ? referenceKernels : nativeKernels(registry, target);
