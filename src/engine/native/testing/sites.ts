/** Single ops on the addon: each site by the launches that the kernel table gives it, on numbers of its own. */
import { dtypeBytes, type DType } from '../../../ir/dtype.js';
import { nativeChoice } from '../../../kernels/native.js';
import { readsOf, workspaceBytes, type Block, type KernelSite } from '../../../kernels/site.js';
import { ops } from '../../../ops/index.js';
import type { AddonEngine } from '../bridge.js';
import type { KernelLaunch, NativeLaunch, LoadedView } from '../loaded_program.js';
import { testDeviceType } from './device.js';
import { readBytes } from './ranks.js';
import { decode, encode } from './views.js';

export interface SiteRun {
  readonly site: KernelSite;
  /** Row-major numbers of each input, whatever the strides of its block. */
  readonly inputs: readonly Float64Array[];
  /** What results hold before, where the site adds to them. */
  readonly before?: readonly Float64Array[];
}

/** The results of each site, row-major: all of them in one program. `attributes` join every launch's. */
export async function runSites(
  engine: AddonEngine,
  arenaBytes: number,
  runs: readonly SiteRun[],
  attributes: KernelLaunch['attributes'] = {},
): Promise<readonly (readonly (readonly number[])[])[]> {
  let top = 0;
  const allocate = (bytes: number): number => {
    const offset = top;
    top = Math.ceil((top + bytes) / 64) * 64;
    if (top > arenaBytes) throw new Error('the case does not fit the arena of the test');
    return offset;
  };
  const place = (block: Block): LoadedView => ({
    ...block,
    offset: allocate(extentOf(block) * dtypeBytes[block.dtype]),
  });
  const launches: NativeLaunch[] = [];
  const results: LoadedView[][] = [];
  for (const { site, inputs, before = [] } of runs) {
    const specs = nativeChoice(ops, site, testDeviceType).launches;
    const reads = site.inputs.map(place);
    const writes = site.outputs.map(place);
    for (const [i, view] of reads.entries()) await write(engine, view, inputs[i]);
    for (const [i, view] of writes.entries()) if (site.accumulates[i]) await write(engine, view, before[i]);
    results.push(writes);
    const workspace = allocate(workspaceBytes(specs));
    for (const spec of specs) {
      const operands = spec.operands.map(({ of, sizes, strides, offset = 0 }): LoadedView => {
        const whole =
          'input' in of
            ? reads[of.input]
            : 'output' in of
              ? writes[of.output]
              : { offset: workspace + of.staged, dtype: of.dtype };
        return { offset: whole.offset + offset * dtypeBytes[whole.dtype as DType], dtype: whole.dtype, sizes, strides };
      });
      launches.push({
        kind: 'kernel',
        kernel: spec.kernel,
        operands,
        reads: readsOf(spec.operands),
        scratch: spec.scratchBytes > 0 ? { offset: workspace + spec.stagedBytes, bytes: spec.scratchBytes } : null,
        attributes: { ...spec.attributes, ...attributes },
        at: site.op,
      });
    }
  }
  await (await engine.load({ groups: [], launches })).run();
  const read = async ({ dtype, offset, sizes }: LoadedView) =>
    decode(dtype as DType, await readBytes(engine, offset, count(sizes) * dtypeBytes[dtype as DType]));
  return Promise.all(results.map((views) => Promise.all(views.map(read))));
}

/** Row-major numbers at the places that a block's strides give them; NaN in the gaps. */
async function write(engine: AddonEngine, block: LoadedView, numbers: Float64Array): Promise<void> {
  const { dtype, sizes, strides, offset } = block;
  const at = new Array<number>(extentOf(block)).fill(dtype === 'i64' || dtype === 'i32' || dtype === 'bool' ? 0 : NaN);
  numbers.forEach((number, index) => {
    let place = 0;
    for (let d = sizes.length - 1, rest = index; d >= 0; d--) {
      place += (rest % sizes[d]) * strides[d];
      rest = Math.floor(rest / sizes[d]);
    }
    at[place] = number;
  });
  if (at.length > 0) await engine.write(offset, encode(dtype as DType, at));
}

const count = (sizes: readonly number[]): number => sizes.reduce((n, size) => n * size, 1);

/** Elements from a block's first to its last. */
const extentOf = ({ sizes, strides }: Pick<Block, 'sizes' | 'strides'>): number =>
  sizes.includes(0) ? 0 : 1 + sizes.reduce((sum, size, i) => sum + (size - 1) * strides[i], 0);
