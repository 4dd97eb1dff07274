/** What a program is compiled for: the reference engine, or the native engine on a type of device. */
import type { OpRegistry } from '../ir/op.js';
import type { DeviceType } from './device.js';
import { referenceKernels, type KernelChooser } from './chooser.js';
import { nativeKernels } from './native_kernels.js';

export type Target = DeviceType | 'reference';

/** The same chooser whenever it is asked: it remembers what it has answered. */
export function kernelsOf(target: Target, registry: OpRegistry): KernelChooser {
  if (target === 'reference') return referenceKernels;
  const known = choosers.get(registry) ?? new Map<DeviceType, KernelChooser>();
  choosers.set(registry, known);
  const chooser = known.get(target) ?? nativeKernels(registry, target);
  known.set(target, chooser);
  return chooser;
}

const choosers = new WeakMap<OpRegistry, Map<DeviceType, KernelChooser>>();
