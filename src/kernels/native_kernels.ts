/** The native engine's kernels on a type of device, as lowering asks of them. */
import { exactText } from '../ir/exact_text.js';
import type { OpRegistry } from '../ir/op.js';
import { madeOnce } from '../ir/texts.js';
import type { DeviceType } from './device.js';
import { exchangeBytes } from './exchanges.js';
import { accumulatesNatively, hasNativeKernel, nativeChoice, nativeLaunches } from './native.js';
import { workspaceBytes, type Block, type KernelSite } from './site.js';
import type { KernelChooser, KernelShape } from './chooser.js';

/**
 * A site of several launches reuses one workspace. Origins move no block, so they ask for no other kernel or workspace. Layers ask for the
 * same shapes: what has been answered is remembered.
 */
export function nativeKernels(registry: OpRegistry, device: DeviceType): KernelChooser {
  const siteOf = (shape: KernelShape): KernelSite => ({ ...shape, origins: {} });
  const textOf = shapeTexts();
  const ids = new Map<string, string>();
  const scratch = new Map<string, number | null>();
  return {
    has: (op, rule) => hasNativeKernel(op, device, rule),
    accumulates: accumulatesNatively,
    exchangeBytes,
    choose: (shape) => ({
      device,
      id: remembered(ids, textOf(shape), () => nativeChoice(registry, siteOf(shape), device).id),
    }),
    scratchBytes: (kernel, shape) =>
      kernel.device === device
        ? remembered(scratch, `${kernel.id} ${textOf(shape)}`, () => {
            const launches = nativeLaunches(registry, siteOf(shape), { device, id: kernel.id });
            return launches && workspaceBytes(launches);
          })
        : null,
  };
}

function remembered<T>(known: Map<string, T>, key: string, answer: () => T): T {
  if (!known.has(key)) known.set(key, answer());
  return known.get(key)!;
}

/** All that a shape is, as text. A node's rule and attributes are met again in every class and template. */
function shapeTexts(): (shape: KernelShape) => string {
  const partText = madeOnce(exactText);
  const blockText = ({ dtype, sizes, strides }: Block): string => `${dtype} ${sizes.join(' ')} by ${strides.join(' ')}`;
  const textOf = ({ op, rule, attributes, inputs, outputs, accumulates, sameInputs }: KernelShape): string =>
    [
      op,
      partText(rule),
      partText(attributes),
      sameInputs,
      accumulates.join(),
      inputs.map(blockText).join(),
      outputs.map(blockText).join(),
    ].join('; ');
  // Asked for its kernel, and then for the workspace of that.
  return madeOnce(textOf);
}
