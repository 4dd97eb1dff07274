/** The native engine's kernels on a type of device, as lowering asks of them. */
import type { OpRegistry } from '../ir/op.js';
import type { DeviceType } from './device.js';
import { exchangeBytes } from './exchanges.js';
import { accumulatesNatively, hasNativeKernel, nativeChoice, nativeLaunches } from './native.js';
import { workspaceBytes, type KernelSite } from './site.js';
import type { KernelChooser, KernelShape } from './chooser.js';

/** A site of several launches reuses one workspace. Origins move no block, so they ask for no other kernel or workspace. */
export function nativeKernels(registry: OpRegistry, device: DeviceType): KernelChooser {
  const siteOf = (shape: KernelShape): KernelSite => ({ ...shape, origins: {} });
  return {
    has: (op, rule) => hasNativeKernel(op, device, rule),
    accumulates: accumulatesNatively,
    exchangeBytes,
    choose: (shape) => ({ device, id: nativeChoice(registry, siteOf(shape), device).id }),
    scratchBytes: (kernel, shape) => {
      const launches =
        kernel.device === device ? nativeLaunches(registry, siteOf(shape), { device, id: kernel.id }) : null;
      return launches && workspaceBytes(launches);
    },
  };
}
