/** A perceptron with one hidden layer under squared error, small enough to read its program, and simple updates for it. */
import { GraphBuilder } from '../../src/ir/builder.js';
import type { DType } from '../../src/ir/dtype.js';
import { gradientRole, parameterRole } from '../../src/ir/role.js';
import type { Tensor } from '../../src/ir/tensor.js';
import { tensorType } from '../../src/ir/type.js';
import { buildUpdate, gradientInput, type UpdateRecipe } from '../../src/optim/update.js';
import { adamw } from '../../src/optim/index.js';
import { ops } from '../../src/ops/index.js';
import { gradients } from '../../src/passes/autodiff.js';
import { eliminateDeadCode } from '../../src/passes/eliminate_dead_code.js';
import type { StepGraphs } from './scenario.js';

export interface MlpOptions {
  readonly batch: number;
  readonly dim: number;
  readonly hidden: number;
  readonly layers?: number;
  /** Layers share the weights of the first. */
  readonly tied?: boolean;
  /** Default: one, the whole model. layers: one each, the last with the loss. */
  readonly segments?: 'one' | 'layers';
  readonly dtype?: DType;
  /** sgd: weight − lr · gradient. adamw: with clipping by the global norm. none: no update. */
  readonly update?: 'none' | 'sgd' | 'adamw';
}

/** Inputs `x`, `y` [batch dim]; outputs `loss_sum`, `tokens` (rows) and the parameters' gradients. */
export function mlp(options: MlpOptions): StepGraphs {
  const { batch, dim, hidden, layers = 1, tied = false, segments = 'one', dtype = 'f64', update = 'sgd' } = options;
  const builder = new GraphBuilder(ops, 'mlp');
  const parameters: { name: string; tensor: Tensor }[] = [];
  const parameter = (name: string, sizes: Record<string, number>) => {
    const tensor = builder.input(name, 'parameter', tensorType(dtype, sizes));
    parameters.push({ name, tensor });
    return tensor;
  };
  const weights = Array.from({ length: tied ? 1 : layers }, (_, i) => ({
    up: parameter(`layers.${i}.up.weight`, { dim, hidden }),
    upBias: parameter(`layers.${i}.up.bias`, { hidden }),
    down: parameter(`layers.${i}.down.weight`, { hidden, dim }),
    downBias: parameter(`layers.${i}.down.bias`, { dim }),
  }));
  const x = builder.input('x', 'data', tensorType(dtype, { batch, dim }));
  const y = builder.input('y', 'data', tensorType(dtype, { batch, dim }));
  const segmentOf = (layer: number) => (segments === 'one' ? 'model' : `layers.${layer}`);
  let h = x;
  for (let i = 0; i < layers; i++) {
    const { up, upBias, down, downBias } = weights[tied ? 0 : i];
    h = builder.at({ segment: segmentOf(i), path: `layers.${i}` }, () => {
      const inner = h.einsum([up], 'batch hidden').add(upBias).tanh();
      return h.add(inner.einsum([down], 'batch dim').add(downBias));
    });
  }
  builder.at({ segment: segmentOf(layers - 1) }, () => {
    const loss = builder.within('loss', () => h.sub(y).square().sum('batch dim'));
    builder.output('loss_sum', loss);
    builder.output('tokens', builder.fill(1, dtype, [{ name: 'batch', size: batch }]).sum('batch'));
    builder.at({ path: 'loss', phase: 'backward' }, () => {
      const seeds = [{ value: loss, cotangent: loss.constant(1) }];
      gradients(
        builder,
        seeds,
        parameters.map((p) => p.tensor),
      ).forEach((gradient, i) => builder.output(gradientRole(parameters[i].name), gradient!));
    });
  });
  const step = eliminateDeadCode(builder.build());
  return { step, update: updates[update](dtype) };
}

/** weight − lr · gradient / rows */
const sgd =
  (dtype: DType): UpdateRecipe =>
  (parameters) => {
    const builder = new GraphBuilder(ops, 'update');
    builder.at({ phase: 'update', segment: 'optimizer' }, () => {
      const scalar = { dtype, dims: [] };
      const weights = parameters.map(({ name, type }) => builder.input(name, 'parameter', type));
      const sums = parameters.map((parameter) => gradientInput(builder, parameter));
      const rate = builder.input('lr', 'scalar', scalar).div(builder.input('tokens', 'value', scalar));
      const loss = builder.input('loss_sum', 'value', scalar);
      parameters.forEach(({ name }, i) =>
        builder.within(name, () => builder.output(parameterRole(name), weights[i].sub(sums[i].mul(rate)))),
      );
      builder.output('loss', loss.mul(1));
    });
    return builder.build();
  };

const updates: Readonly<Record<NonNullable<MlpOptions['update']>, (dtype: DType) => UpdateRecipe | null>> = {
  none: () => null,
  sgd,
  adamw: () => (parameters) => buildUpdate(parameters, adamw({ lr: 0.1 })),
};
