/** Launches of ops whose sums are exact: addends on a grid, squares in parts. */
import { gridShift } from '../ops/fixed_point.js';
import { squareGrids } from '../ops/square_bins.js';
import { scratchOnCpu } from './device.js';
import { elementwiseLaunch } from './elementwise.js';
import type { Forms } from './forms.js';
import { grouped, localSizes, type KernelSite, type LaunchForm } from './site.js';
import { stagedLaunches } from './staged.js';
import { isKernelFloat } from './types.js';
import { workspace } from './workspaces.js';

/** Addends on a grid, and in one pass added to what is there. */
export const fixedPointForms: Forms = {
  fixed_point: (site) => (site.accumulates[0] ? null : [elementwiseLaunch(site, 'fixed_point', gridOf(site))]),
  fixed_point_add: (site) => {
    if (!site.accumulates[0]) return null;
    const { operands, ...launch } = elementwiseLaunch(site, 'fixed_point_add', gridOf(site));
    return [{ ...launch, operands: [...operands, operands[1]] }];
  },
};

const gridOf = ({ attributes: { grid, limit } }: KernelSite): LaunchForm['attributes'] => ({
  shift: gridShift(grid as number),
  most: 2 ** (limit as number),
});

/** Squares in parts, of elements one behind the other or of a copy that is so. */
export function squareBinsLaunches(site: KernelSite): readonly LaunchForm[] | null {
  const [x] = site.inputs;
  const [names] = site.rule.operands;
  const whole = isKernelFloat(x.dtype) ? grouped(x, names, [names], localSizes(site)) : null;
  if (!whole) {
    const dtype = isKernelFloat(x.dtype) ? x.dtype : 'f32';
    const copies = { inputs: [{ names, dtype }], outputs: [null] };
    return stagedLaunches(site, copies, squareBinsLaunches);
  }
  const { scale, bits } = site.attributes;
  const [bins] = site.outputs;
  return [
    {
      kernel: 'square_bins',
      operands: [
        { of: { input: 0 }, ...whole },
        { of: { output: 0 }, sizes: bins.sizes, strides: bins.strides },
      ],
      attributes: { unit: 2 ** -(scale as number), shifts: squareGrids(bits as number).map(gridShift) },
      scratchBytes: scratchOnCpu(workspace('square_bins', {})),
    },
  ];
}
