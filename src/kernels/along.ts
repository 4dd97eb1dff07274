/** Ops that run along factors which lie together, x[a r c]: running sums and the places of the largest. */
import type { DType } from '../ir/dtype.js';
import type { FactorName } from '../ir/type.js';
import { noScratch } from './device.js';
import { grouped, localSizes, type LaunchForm, type KernelSite } from './site.js';
import { stagedLaunches } from './staged.js';
import { commonFloat, isInteger, isKernelFloat } from './types.js';

/** The running sums along `factor`, one name or several: x[a r c] → y[a r c]; on copies where others lie between them. */
export function cumsumLaunches(site: KernelSite): readonly LaunchForm[] | null {
  const along = [site.attributes.factor as FactorName | readonly FactorName[]].flat();
  const [{ dtype }] = site.inputs;
  const own = isKernelFloat(dtype) || isInteger(dtype) ? dtype : commonFloat([dtype]);
  return onRows(site, along, own, own, (given) => {
    const groups = around(given.rule.operands[0], along);
    return launch(given, 'cumsum', groups, groups, { reverse: site.attributes.reverse === true ? 1 : 0 });
  });
}

/** Where the largest stand along one factor: x[a v c] → indices[a c k]. */
export function topkLaunches(site: KernelSite): readonly LaunchForm[] | null {
  const along = [site.attributes.factor as FactorName];
  const [{ dtype }] = site.inputs;
  const own = isKernelFloat(dtype) ? dtype : isInteger(dtype) ? 'f64' : 'f32';
  return onRows(site, along, own, 'i32', (given) => {
    const [a, v, c] = around(given.rule.operands[0], along);
    return launch(given, 'topk', [a, v, c], [a, c, given.rule.results[0].slice(-1)], {});
  });
}

/** A launch on the blocks as they lie, or on copies whose rows run along the factors `along`, in types that the kernel takes. */
function onRows(
  site: KernelSite,
  along: readonly FactorName[],
  read: DType,
  written: DType,
  launcher: (site: KernelSite) => LaunchForm | null,
): readonly LaunchForm[] | null {
  const fits = site.inputs[0].dtype === read && site.outputs[0].dtype === written;
  const direct = fits ? launcher(site) : null;
  if (direct) return [direct];
  const last = (names: readonly FactorName[]) => {
    const rows = along.filter((name) => names.includes(name));
    return [...names.filter((name) => !rows.includes(name)), ...rows];
  };
  const copies = {
    inputs: [{ names: last(site.rule.operands[0]), dtype: read }],
    outputs: [{ names: last(site.rule.results[0]), dtype: written }],
  };
  return stagedLaunches(site, copies, (given) => {
    const made = launcher(given);
    return made && [made];
  });
}

/** Factors before those that an op runs along, these themselves, and the rest. */
function around(names: readonly FactorName[], along: readonly FactorName[]): readonly (readonly FactorName[])[] {
  const first = names.findIndex((name) => along.includes(name));
  return [names.slice(0, first), along, names.slice(first).filter((name) => !along.includes(name))];
}

function launch(
  site: KernelSite,
  kernel: string,
  from: readonly (readonly FactorName[])[],
  to: readonly (readonly FactorName[])[],
  attributes: LaunchForm['attributes'],
): LaunchForm | null {
  const sizes = localSizes(site);
  const x = grouped(site.inputs[0], site.rule.operands[0], from, sizes);
  const y = grouped(site.outputs[0], site.rule.results[0], to, sizes);
  if (!x || !y) return null;
  const operands = [
    { of: { input: 0 }, ...x },
    { of: { output: 0 }, ...y },
  ];
  return { kernel, operands, attributes, scratchBytes: noScratch };
}
