/** The native engine's kernels on a type of device, as lowering asks of them. */
import type { OpRegistry } from '../ir/op.js';
import { elementsOf } from '../ir/type.js';
import type { DeviceType } from '../kernels/device.js';
import { accumulatesNatively, hasNativeKernel, nativeLaunches } from '../kernels/native.js';
import { contiguous } from '../kernels/site.js';
import type { KernelChooser } from './kernel_choice.js';

/** Workspace follows from sizes alone, so contiguous blocks stand for any strides. A site of several launches reuses one workspace. */
export function nativeKernels(registry: OpRegistry, device: DeviceType): KernelChooser {
  return {
    has: (op, rule) => hasNativeKernel(op, device, rule),
    accumulates: accumulatesNatively,
    scratchBytes: ({ op, rule, attributes, inputs, outputs, sameInputs }) => {
      // A rank may hold nothing of a result: then nothing is launched.
      if (outputs.every((type) => elementsOf(type) === 0)) return 0;
      const site = {
        op,
        rule,
        attributes,
        inputs: inputs.map(contiguous),
        outputs: outputs.map(contiguous),
        accumulates: outputs.map(() => false),
        sameInputs,
        origins: {},
      };
      return Math.max(0, ...nativeLaunches(registry, site, device).map((launch) => launch.scratchBytes));
    },
  };
}
