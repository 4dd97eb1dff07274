/**
 * The update as a graph: what runs once a step, after the gradients of all microbatches are summed.
 *
 *   norm      = √(Σ gradient²) / tokens                     of the mean gradient, over all parameters
 *   scale     = min(1, clip / (norm + 1e-6)) / tokens       as torch.nn.utils.clip_grad_norm_
 *   skip      = norm is not finite
 *   parameter, exp_avg, exp_avg_sq = skip ? as they were : adamw(…, scale · gradient)
 *
 * Of a reproducible step Σ gradient² is summed exactly (`ops/square_bins.ts`), and is the same whoever has which gradients.
 *
 * Inputs: each parameter and its state `exp_avg` and `exp_avg_sq`; gradients, sums over the step, and `tokens`, how many real tokens
 * they sum over; scalars `lr`, `correction1`, `correction2`. Outputs: parameters and state in their own roles; `gradient_norm`;
 * `skipped`, one where the step was skipped, else zero.
 */
import { GraphBuilder } from '../ir/builder.js';
import { atLeastF32, dtypeBytes, type DType } from '../ir/dtype.js';
import type { Graph } from '../ir/graph.js';
import {
  gradientRole,
  parameterRole,
  stateRole,
  written,
  type ResultName,
  type Role,
  type ScalarInput,
} from '../ir/role.js';
import type { Tensor } from '../ir/tensor.js';
import type { TensorType } from '../ir/type.js';
import { ops } from '../ops/index.js';
import { squareBinsLimit } from '../ops/square_bins.js';
import type { AdamW } from './options.js';

/** A parameter as the update sees it: a tensor, or a bucket of several of one sort, flat. */
export interface UpdatedParameter {
  readonly name: string;
  readonly type: TensorType;
  /** Tensors of two or more dimensions, which weight decay may single out. Absent: by the type. */
  readonly matrices?: boolean;
  /** The element type of its gradient, which is cast to the parameter's first of all. Absent: the parameter's. */
  readonly gradient?: DType;
  /** What the gradient is the sum of, where several chunks contribute to it. Absent: the gradient alone. */
  readonly contributions?: readonly Role[];
}

/**
 * The update of any parameters as a graph. But for sums to a scalar it must treat each element of a parameter by itself: the compiler
 * asks for the update of buckets in place of their members.
 */
export type UpdateRecipe = (parameters: readonly UpdatedParameter[]) => Graph;

/** The persistent state of one parameter. */
export const statesOf = (parameter: string): readonly [expAvg: Role, expAvgSq: Role] => [
  stateRole(parameter, 'exp_avg'),
  stateRole(parameter, 'exp_avg_sq'),
];

/** The gradient of a parameter as an input of its update. */
export function gradientInput(
  builder: GraphBuilder,
  { name, type, gradient: dtype = type.dtype, contributions = [gradientRole(name)] }: UpdatedParameter,
): Tensor {
  const parts = contributions.map((contribution) => builder.take(contribution, { ...type, dtype }));
  // Parts are added in the wider of both types.
  const isWider = dtypeBytes[dtype] > dtypeBytes[type.dtype];
  return builder.within(written(name), () =>
    parts
      .map((part) => (isWider ? part : part.exactly(type.dtype)))
      .reduce((sum, part) => sum.add(part))
      .exactly(type.dtype),
  );
}

/** Of a reproducible step. */
export interface ExactNorm {
  /** Tokens that the step sums over, padding left out. */
  readonly tokens: number;
  /** Elements of all parameters. */
  readonly elements: number;
}

/** `exact`: of a reproducible step, whose sums are f64; null: of any other. */
export function buildUpdate(
  parameters: readonly UpdatedParameter[],
  optimizer: AdamW,
  exact: ExactNorm | null = null,
): Graph {
  const builder = new GraphBuilder(ops, 'update');
  builder.at({ phase: 'update', segment: 'optimizer' }, () => addUpdate(builder, parameters, optimizer, exact));
  return builder.build();
}

function addUpdate(
  builder: GraphBuilder,
  parameters: readonly UpdatedParameter[],
  optimizer: AdamW,
  exact: ExactNorm | null,
): void {
  const dtype = atLeastF32(parameters[0]?.type.dtype ?? 'f32');
  const scalar = (name: ScalarInput) => builder.input(name, 'scalar', { dtype, dims: [] });
  const weights = parameters.map(({ name, type }) => builder.input(name, 'parameter', type));
  const states = parameters.map(({ name, type }) => statesOf(name).map((state) => builder.take(state, type)));
  const gradients = parameters.map((parameter) => gradientInput(builder, parameter));
  const tokens = builder
    .input('tokens' satisfies ResultName, 'value', { dtype: exact ? 'f64' : dtype, dims: [] })
    .exactly(dtype);
  const [lr, correction1, correction2] = [scalar('lr'), scalar('correction1'), scalar('correction2')];

  const length = exact
    ? exactLength(builder, parameters, gradients, exact).exactly(dtype)
    : sumOfSquares(builder, parameters, gradients).sqrt();
  const norm = length.div(tokens);
  const scale = clipFactor(norm, optimizer.clip_grad_norm).div(tokens);
  // Infinity and NaN less themselves are NaN, which equals nothing.
  const finite = norm.sub(norm).eq(norm.constant(0));
  const skip = finite.where(norm.constant(0), norm.constant(1));

  const { beta1, beta2, eps, weight_decay, decay } = optimizer;
  parameters.forEach(({ name, type, matrices = type.dims.length >= 2 }, i) => {
    const decays = decay === 'all' || matrices;
    const results = builder.within(written(name), () =>
      builder.apply('adamw', [weights[i], gradients[i], ...states[i], lr, scale, correction1, correction2, skip], {
        beta1,
        beta2,
        eps: Math.max(eps, leastNormal[type.dtype === 'f64' ? 'f64' : 'f32']),
        weight_decay: decays ? weight_decay : 0,
      }),
    );
    [parameterRole(name), ...statesOf(name)].forEach((output, k) => builder.output(output, results[k]));
  });
  builder.output('gradient_norm' satisfies ResultName, norm);
  builder.output('skipped' satisfies ResultName, skip);
}

/**
 * The least normal number: what an `eps` of zero is. No root but that of zero changes by a bit when it is added, since the least of them is 2^-75
 * (of f64 2^-537); and an element that has never had a gradient, as padding or the row of a word that is never met, stays where it is:
 * 0 / 0 would be NaN.
 */
const leastNormal = { f32: 2 ** -126, f64: 2 ** -1022 } as const;

/** Σ over all elements of all gradients, tensor by tensor in the order of the parameters. */
function sumOfSquares(
  builder: GraphBuilder,
  parameters: readonly UpdatedParameter[],
  gradients: readonly Tensor[],
): Tensor {
  const squares = gradients.map((g, i) => builder.within(written(parameters[i].name), () => g.einsum([g], [])));
  return squares.reduce((total, one) => total.add(one));
}

/**
 * √Σ of the same squares, in f64: as exact as sums of squares are where a step sums exactly. Infinite where they are not: the update is
 * skipped.
 */
function exactLength(
  builder: GraphBuilder,
  parameters: readonly UpdatedParameter[],
  gradients: readonly Tensor[],
  { tokens, elements }: ExactNorm,
): Tensor {
  // Squares are about those of the mean gradient.
  const scale = Math.floor(Math.log2(tokens));
  const attributes = { factor: 'bin', scale, bits: Math.ceil(Math.log2(elements)) };
  const [coarse, finer, finest] = gradients
    .map((g, i) => builder.within(written(parameters[i].name), () => g.apply('square_bins', [], attributes)))
    .reduce((total, one) => total.add(one))
    .unstack('bin');
  const squares = finest.add(finer).add(coarse);
  const isExact = squares.lt(squares.constant(2 ** squareBinsLimit));
  return isExact
    .where(squares, squares.constant(Infinity))
    .sqrt()
    .mul(2 ** scale);
}

function clipFactor(norm: Tensor, clip: number | null): Tensor {
  const one = norm.constant(1);
  return clip === null ? one : one.minimum(norm.constant(clip).div(norm.add(1e-6)));
}
