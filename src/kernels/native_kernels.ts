/** The native engine's kernels on a type of device, as lowering asks of them. */
import type { OpRegistry } from '../ir/op.js';
import type { DeviceType } from './device.js';
import { exchangeBytes } from './exchanges.js';
import { accumulatesNatively, hasNativeKernel, nativeLaunches } from './native.js';
import { workspaceBytes } from './site.js';
import type { KernelChooser } from './chooser.js';

/** A site of several launches reuses one workspace. Origins move no block, so they ask for no other workspace. */
export function nativeKernels(registry: OpRegistry, device: DeviceType): KernelChooser {
  return {
    has: (op, rule) => hasNativeKernel(op, device, rule),
    accumulates: accumulatesNatively,
    exchangeBytes,
    scratchBytes: (shape) => {
      // A rank may hold nothing of a result: then nothing is launched.
      if (shape.outputs.every(({ sizes }) => sizes.includes(0))) return 0;
      return workspaceBytes(nativeLaunches(registry, { ...shape, origins: {} }, device));
    },
  };
}
