/**
 * The native kernel table: which kernels of the addon serve an op, how they see its operands, and, by type of device, which sizes and
 * workspace they take. An op without an entry has no native kernel: its decomposition runs instead. Contracts and workspace formulas:
 * native/kernels/README.md.
 */
import { opOf, type OpRegistry } from '../ir/op.js';
import type { OpRule } from '../ir/rule.js';
import { attentionPieces } from './attention_pieces.js';
import { cumsumLaunches, topkLaunches } from './along.js';
import { contractionOf, gatherAnyLaunch, scatterAnyLaunch } from './contraction.js';
import {
  copyLaunch,
  cutLaunch,
  elementwiseLaunch,
  reductionLaunch,
  reorderLaunches,
  rollLaunches,
  stackLaunches,
  unstackLaunches,
} from './elementwise.js';
import { scratchOnCpu, type DeviceType } from './device.js';
import { noNativeKernel } from './diagnostics.js';
import { fixedPointForms, squareBinsLaunches } from './exact.js';
import { fusedLaunches, lettersOf, type DeviceNeeds, type FusedKernel } from './fused.js';
import { one, onCopies, type Forms } from './forms.js';
import { gatherLaunch, scatterLaunch } from './indexed.js';
import { matmulBiasLaunch, productAndSumLaunches, productLaunches } from './matmul.js';
import { grouped, localSizes, type KernelLaunchSpec, type KernelSite, type LaunchForm } from './site.js';
import { randomLaunches } from './random.js';
import { launchesByRuns } from './runs.js';
import { stagedLaunches } from './staged.js';
import { isInteger, isKernelFloat } from './types.js';
import { workspace } from './workspaces.js';

/** The form that an op takes at a site, and its launches in order. Throws where no kernel fits the operands. */
export function nativeChoice(
  registry: OpRegistry,
  site: KernelSite,
  device: DeviceType,
): { readonly id: string; readonly launches: readonly KernelLaunchSpec[] } {
  for (const [id, form] of Object.entries(formsOf(registry, site))) {
    const launches = form(site);
    if (launches) return { id, launches: onDevice(launches, device) };
  }
  throw noNativeKernel({ site });
}

/** The launches of one form of an op; null where it is none of the op's, or does not take the operands. */
export function nativeLaunches(
  registry: OpRegistry,
  site: KernelSite,
  { id, device }: { readonly id: string; readonly device: DeviceType },
): readonly KernelLaunchSpec[] | null {
  const forms = formsOf(registry, site);
  const launches = Object.hasOwn(forms, id) ? forms[id](site) : null;
  return launches && onDevice(launches, device);
}

const onDevice = (launches: readonly LaunchForm[], device: DeviceType): readonly KernelLaunchSpec[] =>
  launches.map((launch) => ({ stagedBytes: 0, ...launch, scratchBytes: launch.scratchBytes[device] }));

/** True where the addon has a kernel for an op on a device, and, where a rule is given, for the sizes of its factors. */
export function hasNativeKernel(op: string, device: DeviceType, rule?: OpRule): boolean {
  if (Object.hasOwn(primitives, op)) return true;
  if (!Object.hasOwn(fusedKernels, op)) return false;
  const takes = fusedKernels[op].on?.[device]?.takes;
  if (!takes || !rule) return true;
  return takes(
    lettersOf(rule, Object.fromEntries(Object.entries(rule.factors).map(([name, { size }]) => [name, size]))),
  );
}

/** True where the kernels of an op can add to a result instead of overwriting it. */
export const accumulatesNatively = (op: string): boolean => accumulating.has(op);

/** A rank may hold nothing of a result: then nothing is launched. A sum over nothing still writes its zero. */
const nothing: Forms = { nothing: () => [] };

function formsOf(registry: OpRegistry, site: KernelSite): Forms {
  if (site.outputs.every(({ sizes }) => sizes.includes(0))) return nothing;
  if (Object.hasOwn(primitives, site.op)) return primitives[site.op];
  if (!registry.has(site.op) || !Object.hasOwn(fusedKernels, site.op)) return {};
  const { signature } = opOf(registry, site);
  if (!signature) return {};
  const fused = fusedKernels[site.op];
  return onCopies(fused.kernel, (given) => fusedLaunches(given, signature, fused));
}

const elementwise = (kernel: string, attributes?: (site: KernelSite) => LaunchForm['attributes']): Forms => ({
  [kernel]: (site) => one(elementwiseLaunch(site, kernel, attributes?.(site))),
});

const sums = ({ rule: { operands, results } }: KernelSite): boolean =>
  operands.flat().some((name) => !results[0].includes(name));

/** True where a result is elements of operands, multiplied and not added up. */
const isWritten = (site: KernelSite, operands: number): boolean =>
  !sums(site) && !site.accumulates[0] && site.inputs.length === operands;

/** Products, sums, transposes and repetitions: by the fastest kernel that takes the operands, last by the general one. */
const einsum: Forms = {
  sum: (site) => (sums(site) && site.inputs.length === 1 ? one(reductionLaunch(site, 'sum')) : null),
  sum_squares: (site) => (sums(site) ? one(sumOfSquares(site)) : null),
  ...onCopies('matmul', (site) => (sums(site) ? productLaunches(site) : null)),
  copy: (site) => (isWritten(site, 1) ? [copyLaunch(site)] : null),
  mul: (site) => (isWritten(site, 2) ? [elementwiseLaunch(site, 'mul')] : null),
  any: (site) => [contractionOf(site, 'einsum')],
};

const preferred = (forms: Forms, site: KernelSite): readonly LaunchForm[] =>
  Object.values(forms)
    .map((form) => form(site))
    .find((launches) => launches !== null)!;

/** Σ x²: one operand twice, summed whole. */
function sumOfSquares(site: KernelSite): LaunchForm | null {
  const [x] = site.inputs;
  const [to] = site.outputs;
  if (site.rule.results[0].length > 0 || !site.sameInputs || site.inputs.length !== 2) return null;
  if (site.rule.operands[0].join() !== site.rule.operands[1].join()) return null;
  if (!isKernelFloat(x.dtype) || !['f32', 'f64'].includes(to.dtype)) return null;
  const whole = grouped(x, site.rule.operands[0], [site.rule.operands[0]], localSizes(site));
  if (!whole) return null;
  return {
    kernel: 'sum_squares',
    operands: [
      { of: { input: 0 }, ...whole },
      { of: { output: 0 }, sizes: [1], strides: [1] },
    ],
    attributes: { accumulate: site.accumulates[0] ? 1 : 0 },
    scratchBytes: scratchOnCpu(workspace('sum_squares', {})),
  };
}

/** Adding a multiple of one is how a result joins a sum that its kernel cannot write. */
const scale: Forms = {
  scale: (site) => (site.accumulates[0] ? null : [elementwiseLaunch(site, 'scale', { factor: factorOf(site) })]),
  add: (site) => {
    if (!site.accumulates[0] || factorOf(site) !== 1) return null;
    const { operands, ...launch } = elementwiseLaunch(site, 'add');
    return [{ ...launch, operands: [operands[1], operands[0], operands[1]] }];
  },
  any: (site) => [contractionOf(site, 'einsum', { factor: factorOf(site) })],
};

const factorOf = ({ attributes }: KernelSite): number => attributes.value as number;

/** The largest over factors: where the result lacks none, the elements themselves. */
const largest: Forms = {
  copy: (site) => {
    const [x, y] = [site.rule.operands[0], site.rule.results[0]];
    return x.every((name) => y.includes(name)) ? [copyLaunch(site)] : null;
  },
  max_reduce: (site) => one(reductionLaunch(site, 'max_reduce')),
  any: (site) => [contractionOf(site, 'max_over')],
};

/** 0, 1, 2, …; in a type that the kernel does not write by way of f32. */
function iota(site: KernelSite): readonly LaunchForm[] | null {
  const [names] = site.rule.results;
  const ranks = (site.attributes.head_tail as number | undefined) ?? 0;
  const count = (given: KernelSite) =>
    launchesByRuns(given, names[0], ranks, (part) =>
      elementwiseLaunch(part, 'iota', { start: part.origins[names[0]] ?? 0 }),
    );
  const [{ dtype }] = site.outputs;
  if (isKernelFloat(dtype) || isInteger(dtype)) return count(site);
  return stagedLaunches(site, { inputs: [], outputs: [{ names, dtype: 'f32' }] }, count);
}

const primitives: Readonly<Record<string, Forms>> = {
  einsum,
  einsum_add: {
    matmul_bias: (site) => one(matmulBiasLaunch(site)),
    product_and_sum: (site) => productAndSumLaunches(site, (product) => preferred(einsum, product)),
  },
  scale,
  add: elementwise('add'),
  sub: elementwise('sub'),
  div: elementwise('div'),
  maximum: elementwise('max'),
  minimum: elementwise('min'),
  eq: elementwise('eq'),
  ge: elementwise('ge'),
  lt: elementwise('lt'),
  where: elementwise('where'),
  neg: elementwise('neg'),
  exp: elementwise('exp'),
  log: elementwise('log'),
  sqrt: elementwise('sqrt'),
  rsqrt: elementwise('rsqrt'),
  tanh: elementwise('tanh'),
  sigmoid: elementwise('sigmoid'),
  relu: elementwise('relu'),
  cos: elementwise('cos'),
  sin: elementwise('sin'),
  erf: elementwise('erf'),
  add_scalar: elementwise('add_scalar', ({ attributes }) => ({ value: attributes.value as number })),
  cast: elementwise('cast'),
  cast_addends: elementwise('cast'),
  fixed_point: fixedPointForms,
  square_bins: onCopies('square_bins', squareBinsLaunches),
  fill: elementwise('fill', ({ attributes }) => ({ value: attributes.value as number })),
  iota: onCopies('iota', iota),
  max: largest,
  gather: { gather: (site) => one(gatherLaunch(site)), any: (site) => [gatherAnyLaunch(site)] },
  scatter: { scatter: (site) => one(scatterLaunch(site)), any: (site) => [scatterAnyLaunch(site)] },
  cut: { copy: (site) => [cutLaunch(site)] },
  join: { copy: (site) => [cutLaunch(site)] },
  roll: { copies: rollLaunches },
  reorder: { copies: reorderLaunches },
  cumsum: onCopies('cumsum', cumsumLaunches),
  topk: onCopies('topk', topkLaunches),
  stack: { copies: stackLaunches },
  unstack: { copies: unstackLaunches },
  random_uniform: { random_uniform: randomLaunches },
  dropout: onCopies('dropout', randomLaunches),
  dropout_backward: onCopies('dropout_backward', randomLaunches),
};

/** native/kernels/attention.h: bf16 is multiplied in pairs, and a row of accumulators has this many. */
const attentionTakes: DeviceNeeds['takes'] = ({ d }) => d % 2 === 0 && d <= 256;

/** Where a block of a letter begins, of whose factors only the first is split. */
const startOf = ({ rule, origins }: KernelSite, letter: string): number =>
  rule.letters[letter].reduce((start, name) => start * rule.factors[name].size + (origins[name] ?? 0), 0);

const attention: Omit<FusedKernel, 'kernel' | 'on'> = {
  types: 'one',
  join: ['g r'],
  pieces: attentionPieces,
  ofNothing: { logsumexp: -Infinity },
  attributes: (site, { d }) => ({
    window: (site.attributes.window as number | undefined) ?? 0,
    scale: (site.attributes.scale as number) || 1 / Math.sqrt(d),
    ...Object.fromEntries(((site.attributes.given ?? []) as readonly string[]).map((operand) => [operand, 1])),
  }),
};

const eps: FusedKernel['attributes'] = ({ attributes }) => ({ eps: attributes.eps as number });
const exact: FusedKernel['attributes'] = ({ attributes }) => ({ exact: attributes.exact ? 1 : 0 });

const fusedKernels: Readonly<Record<string, FusedKernel>> = {
  attention: {
    ...attention,
    kernel: 'attention',
    on: {
      cpu: {
        takes: attentionTakes,
        scratchBytes: ({ b, g, t, d }, size) => workspace('attention', { b, g, t, d, size }),
      },
    },
  },
  attention_backward: {
    ...attention,
    kernel: 'attention_backward',
    on: {
      cpu: {
        takes: attentionTakes,
        scratchBytes: ({ b, g, r, s, t, d, n = 0 }, size, acc) =>
          workspace('attention_backward', { b, g, r, s, t, d, n, size, acc }),
      },
    },
  },
  layer_norm: { kernel: 'layer_norm', types: 'each', alike: [['weight', 'bias']], attributes: eps },
  layer_norm_backward: {
    kernel: 'layer_norm_backward',
    types: 'each',
    on: { cpu: { scratchBytes: ({ t, c }, _, acc) => workspace('layer_norm_backward', { t, c, acc }) } },
  },
  rms_norm: { kernel: 'rms_norm', types: 'each', attributes: eps },
  rms_norm_backward: {
    kernel: 'rms_norm_backward',
    types: 'each',
    on: { cpu: { scratchBytes: ({ t, c }, _, acc) => workspace('rms_norm_backward', { t, c, acc }) } },
  },
  softmax_cross_entropy: { kernel: 'softmax_cross_entropy', types: 'one' },
  softmax_cross_entropy_backward: {
    kernel: 'softmax_cross_entropy_backward',
    types: 'one',
    attributes: (site) => ({ origin: startOf(site, 'v') }),
  },
  softmax: { kernel: 'softmax', types: 'one' },
  softmax_backward: { kernel: 'softmax_backward', types: 'one' },
  gelu: { kernel: 'gelu', types: 'any', attributes: exact },
  gelu_backward: { kernel: 'gelu_backward', types: 'any', attributes: exact },
  silu: { kernel: 'silu', types: 'any' },
  silu_backward: { kernel: 'silu_backward', types: 'any' },
  swiglu: { kernel: 'swiglu', types: 'any' },
  swiglu_backward: { kernel: 'swiglu_backward', types: 'any' },
  rotary: { kernel: 'rotary', types: 'one', join: ['p f'] },
  rotary_backward: { kernel: 'rotary_backward', types: 'one', join: ['p f'] },
  adamw: {
    kernel: 'adamw',
    types: 'each',
    attributes: ({ attributes }) => ({
      beta1: attributes.beta1 as number,
      beta2: attributes.beta2 as number,
      eps: attributes.eps as number,
      weight_decay: attributes.weight_decay as number,
    }),
  },
};

const accumulating = new Set(['einsum', 'scale', 'scatter', 'fixed_point']);
