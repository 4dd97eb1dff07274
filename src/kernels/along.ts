/** Ops that run along factors which lie together, x[a r c]: running sums and the places of the largest. */
import type { FactorName } from '../ir/type.js';
import { noScratch } from './device.js';
import { grouped, localSizes, type LaunchForm, type KernelSite } from './site.js';

/** The running sums along `factor`, one name or several: x[a r c] → y[a r c]. Null where others lie between them. */
export function cumsumLaunch(site: KernelSite): LaunchForm | null {
  const along = [site.attributes.factor as FactorName | readonly FactorName[]].flat();
  const groups = around(site.rule.operands[0], along);
  return launch(site, 'cumsum', groups, groups, { reverse: site.attributes.reverse === true ? 1 : 0 });
}

/** Where the largest stand along one factor: x[a v c] → indices[a c k]. */
export function topkLaunch(site: KernelSite): LaunchForm | null {
  const [a, v, c] = around(site.rule.operands[0], [site.attributes.factor as FactorName]);
  return launch(site, 'topk', [a, v, c], [a, c, site.rule.results[0].slice(-1)], {});
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
