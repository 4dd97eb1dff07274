/**
 * The native kernel table: which kernels of the addon serve an op, how they see its operands, and, by type of device, which sizes and
 * workspace they take. An op without an entry has no native kernel: its decomposition runs instead. Contracts and workspace formulas:
 * native/kernels/README.md.
 */
import type { OpDefinition, OpRegistry } from '../ir/op.js';
import type { OpRule } from '../ir/rule.js';
import { cumsumLaunches, topkLaunches } from './along.js';
import { contractionOf, gatherAnyLaunch, scatterAnyLaunch } from './contraction.js';
import {
  copyLaunch,
  elementwiseLaunch,
  reductionLaunch,
  rollLaunches,
  stackLaunches,
  unstackLaunches,
} from './elementwise.js';
import { noScratch, scratchOnCpu, type DeviceType } from './device.js';
import { noNativeKernel } from './diagnostics.js';
import { fusedLaunches, lettersOf, type DeviceNeeds, type FusedKernel } from './fused.js';
import { gatherLaunch, scatterLaunch } from './indexed.js';
import { matmulAddLaunches, productLaunches } from './matmul.js';
import { grouped, localSizes, type KernelLaunchSpec, type KernelSite, type LaunchForm } from './site.js';
import { stagedLaunches } from './staged.js';
import { isInteger, isKernelFloat } from './types.js';

/** The launches of one op at one site, in order. Throws where no kernel fits the operands. */
export function nativeLaunches(
  registry: OpRegistry,
  site: KernelSite,
  device: DeviceType,
): readonly KernelLaunchSpec[] {
  const launches = tryLaunches(registry.get(site.op), site);
  if (!launches || launches.length === 0) throw noNativeKernel({ site });
  return launches.map((launch) => ({
    stagedBytes: 0,
    ...launch,
    scratchBytes: launch.scratchBytes[device],
  }));
}

/** True where the addon has a kernel for an op on a device, and, where a rule is given, for the sizes of its factors. */
export function hasNativeKernel(op: string, device: DeviceType, rule?: OpRule): boolean {
  if (op in primitives) return true;
  if (!(op in fusedKernels)) return false;
  const takes = fusedKernels[op].on?.[device]?.takes;
  if (!takes || !rule) return true;
  return takes(
    lettersOf(rule, Object.fromEntries(Object.entries(rule.factors).map(([name, { size }]) => [name, size]))),
  );
}

/** True where the kernels of an op can add to a result instead of overwriting it. */
export const accumulatesNatively = (op: string): boolean => accumulating.has(op);

type Launcher = (site: KernelSite) => readonly LaunchForm[] | null;

function tryLaunches(definition: OpDefinition | undefined, site: KernelSite): readonly LaunchForm[] | null {
  const primitive = primitives[site.op];
  if (primitive) return primitive(site);
  const fused = fusedKernels[site.op];
  if (!fused || !definition?.signature) return null;
  return fusedLaunches(site, definition.signature, fused);
}

const one = (launch: LaunchForm | null): readonly LaunchForm[] | null => launch && [launch];

const elementwise =
  (kernel: string, attributes?: (site: KernelSite) => LaunchForm['attributes']): Launcher =>
  (site) =>
    one(elementwiseLaunch(site, kernel, attributes?.(site)));

/** Products, sums, transposes and repetitions: by the fastest kernel that takes the operands, last by the general one. */
function einsum(site: KernelSite): readonly LaunchForm[] {
  return fastEinsum(site) ?? [contractionOf(site, 'einsum')];
}

function fastEinsum(site: KernelSite): readonly LaunchForm[] | null {
  const { operands, results } = site.rule;
  const summed = operands.flat().some((name) => !results[0].includes(name));
  if (summed && operands.length === 1) return one(reductionLaunch(site, 'sum'));
  if (summed) return one(sumOfSquares(site)) ?? productLaunches(site);
  if (site.accumulates[0] || operands.length > 2) return null;
  return one(operands.length === 1 ? copyLaunch(site) : elementwiseLaunch(site, 'mul'));
}

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
    scratchBytes: scratchOnCpu(1024),
  };
}

/** Adding a multiple of one is how a result joins a sum that its kernel cannot write. */
function scale(site: KernelSite): readonly LaunchForm[] {
  const factor = site.attributes.value as number;
  if (!site.accumulates[0]) return [elementwiseLaunch(site, 'scale', { factor })];
  if (factor !== 1) return [contractionOf(site, 'einsum', { factor })];
  const { operands, ...launch } = elementwiseLaunch(site, 'add');
  return [{ ...launch, operands: [operands[1], operands[0], operands[1]] }];
}

/** The largest over factors: where the result lacks none, the elements themselves. */
function largest(site: KernelSite): readonly LaunchForm[] {
  const [x, y] = [site.rule.operands[0], site.rule.results[0]];
  if (x.every((name) => y.includes(name))) return [copyLaunch(site)];
  return [reductionLaunch(site, 'max_reduce') ?? contractionOf(site, 'max_over')];
}

/** 0, 1, 2, …; in a type that the kernel does not write by way of f32. */
function iota(site: KernelSite): readonly LaunchForm[] | null {
  const [names] = site.rule.results;
  const count = (given: KernelSite) => one(elementwiseLaunch(given, 'iota', { start: site.origins[names[0]] ?? 0 }));
  const [{ dtype }] = site.outputs;
  if (isKernelFloat(dtype) || isInteger(dtype)) return count(site);
  return stagedLaunches(site, { inputs: [], outputs: [{ names, dtype: 'f32' }] }, count);
}

/** Numbers by global element index: the kernel is told where the local block lies in the whole. */
function randomUniform(site: KernelSite): readonly LaunchForm[] {
  const names = site.rule.results[0];
  const { sizes, strides } = site.outputs[0];
  const whole = names.map((name) => site.rule.factors[name].size);
  const globalStrides = whole.map((_, i) => whole.slice(i + 1).reduce((n, size) => n * size, 1));
  return [
    {
      kernel: 'random_uniform',
      operands: [
        ...site.inputs.map((_, input) => ({ of: { input }, sizes: [], strides: [] })),
        { of: { output: 0 }, sizes, strides },
      ],
      attributes: {
        stream: site.attributes.stream as number,
        elements: whole.reduce((n, size) => n * size, 1),
        start: names.reduce((sum, name, i) => sum + (site.origins[name] ?? 0) * globalStrides[i], 0),
        global_strides: globalStrides,
      },
      scratchBytes: noScratch,
    },
  ];
}

const primitives: Readonly<Record<string, Launcher>> = {
  einsum,
  einsum_add: (site) => matmulAddLaunches(site, einsum),
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
  fill: elementwise('fill', ({ attributes }) => ({ value: attributes.value as number })),
  iota,
  max: largest,
  gather: (site) => [gatherLaunch(site) ?? gatherAnyLaunch(site)],
  scatter: (site) => [scatterLaunch(site) ?? scatterAnyLaunch(site)],
  roll: rollLaunches,
  cumsum: cumsumLaunches,
  topk: topkLaunches,
  stack: stackLaunches,
  unstack: unstackLaunches,
  random_uniform: randomUniform,
};

const up = (x: number, y: number): number => Math.ceil(x / y) * y;

/** Rows are summed in chunks of at least 32, at most 64 of them, whatever the number of threads. */
const rowChunks = (rows: number): number => Math.min(64, Math.max(1, Math.ceil(rows / 32)));

/** native/kernels/attention.h: bf16 is multiplied in pairs, and a row of accumulators has this many. */
const attentionTakes: DeviceNeeds['takes'] = ({ d }) => d % 2 === 0 && d <= 256;

const attention: Omit<FusedKernel, 'kernel' | 'on'> = {
  types: 'one',
  join: ['g r'],
  attributes: ({ attributes }, { d }) => ({
    causal: attributes.causal ? 1 : 0,
    scale: (attributes.scale as number) || 1 / Math.sqrt(d),
  }),
};

const dropout: FusedKernel['attributes'] = ({ attributes }) => ({
  rate: attributes.rate as number,
  stream: attributes.stream as number,
});
const eps: FusedKernel['attributes'] = ({ attributes }) => ({ eps: attributes.eps as number });
const exact: FusedKernel['attributes'] = ({ attributes }) => ({ exact: attributes.exact ? 1 : 0 });

const fusedKernels: Readonly<Record<string, FusedKernel>> = {
  attention: {
    ...attention,
    kernel: 'attention',
    on: {
      cpu: {
        takes: attentionTakes,
        scratchBytes: ({ b, g, t, d }, size) => b * g * (up(t, 64) * up(d, 2) + up(t, 2) * up(d, 64)) * size,
      },
    },
  },
  attention_backward: {
    ...attention,
    kernel: 'attention_backward',
    on: {
      cpu: {
        takes: attentionTakes,
        scratchBytes: ({ b, g, r, s, t, d }, size, accumulator) =>
          b * g * r * 2 * (up(s, 64) * up(d, 2) + up(s, 2) * up(d, 64)) * size +
          b * g * up(t, 2) * up(d, 64) * size +
          b * g * r * up(s, 64) * (up(d, 64) + 1) * accumulator,
      },
    },
  },
  layer_norm: { kernel: 'layer_norm', types: 'each', alike: [['weight', 'bias']], attributes: eps },
  layer_norm_backward: {
    kernel: 'layer_norm_backward',
    types: 'each',
    on: { cpu: { scratchBytes: ({ t, c }, _, accumulator) => rowChunks(t) * 2 * c * accumulator } },
  },
  rms_norm: { kernel: 'rms_norm', types: 'each', attributes: eps },
  rms_norm_backward: {
    kernel: 'rms_norm_backward',
    types: 'each',
    on: { cpu: { scratchBytes: ({ t, c }, _, accumulator) => rowChunks(t) * c * accumulator } },
  },
  softmax_cross_entropy: { kernel: 'softmax_cross_entropy', types: 'one' },
  softmax_cross_entropy_backward: { kernel: 'softmax_cross_entropy_backward', types: 'one' },
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
  dropout: { kernel: 'dropout', types: 'one', attributes: dropout },
  dropout_backward: { kernel: 'dropout_backward', types: 'one', attributes: dropout },
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

const accumulating = new Set(['einsum', 'scale', 'scatter']);
