/** Every op: one file each, or one a family of like primitives. To add an op, add its file and name it here. */
import type { DefinedOps } from '../ir/define_op.js';
import type { OpDefinition, OpRegistry } from '../ir/op.js';
import { adamw } from './adamw.js';
import { attention } from './attention.js';
import * as binary from './binary.js';
import { cast } from './cast.js';
import { castAddends } from './cast_addends.js';
import * as compare from './compare.js';
import { cumsum } from './cumsum.js';
import { cut, join } from './cut.js';
import { dropout } from './dropout.js';
import { einsum } from './einsum.js';
import { einsumAdd } from './einsum_add.js';
import { fill } from './fill.js';
import { fixedPoint } from './fixed_point.js';
import { gather } from './gather.js';
import { gelu } from './gelu.js';
import { iota } from './iota.js';
import { layerNorm } from './layer_norm.js';
import { max } from './max.js';
import { randomUniform } from './random_uniform.js';
import { reorder } from './reorder.js';
import { rmsNorm } from './rms_norm.js';
import { roll } from './roll.js';
import { rotary } from './rotary.js';
import { scatter } from './scatter.js';
import { silu } from './silu.js';
import { softmax } from './softmax.js';
import { softmaxCrossEntropy } from './softmax_cross_entropy.js';
import { squareBins } from './square_bins.js';
import { stack } from './stack.js';
import { swiglu } from './swiglu.js';
import { topk } from './topk.js';
import * as unary from './unary.js';
import { unstack } from './unstack.js';

const primitives: readonly OpDefinition[] = [
  einsum,
  einsumAdd,
  ...Object.values(binary),
  ...Object.values(compare),
  ...Object.values(unary),
  cast,
  castAddends,
  fixedPoint,
  squareBins,
  max,
  fill,
  iota,
  gather,
  scatter,
  unstack,
  stack,
  roll,
  reorder,
  cut,
  join,
  cumsum,
  topk,
  randomUniform,
];

const fused: readonly DefinedOps[] = [
  softmax,
  softmaxCrossEntropy,
  layerNorm,
  rmsNorm,
  gelu,
  silu,
  swiglu,
  attention,
  rotary,
  dropout,
  adamw,
];

const definitions: readonly OpDefinition[] = [
  ...primitives,
  ...fused.flatMap(({ forward, backward }) => (backward ? [forward, backward] : [forward])),
];

/** Every op by name. */
export const ops: OpRegistry = new Map(definitions.map((op) => [op.name, op]));
