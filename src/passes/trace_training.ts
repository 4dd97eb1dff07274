/** The training step's graph over one scheduled microbatch: a model's forward, and the gradients of what it trains on. */
import type { Graph } from '../ir/graph.js';
import type { LanguageModel } from '../nn/language_model.js';
import { traceLoss, type ForwardTrace, type TracedModel, type TraceShape } from '../nn/trace.js';
import { gradients } from './autodiff.js';
import { eliminateDeadCode } from './eliminate_dead_code.js';

/**
 * Inputs as `traceModel`'s; outputs `loss_sum`, `tokens` and, for each parameter, `gradient.NAME`: the gradient of `loss_sum` and of the
 * model's auxiliary loss where it has one, of the parameter's type. A parameter that neither depends on has a gradient of zeros.
 */
export function traceTraining(model: LanguageModel, shape: TraceShape, observe: ObserveTrace = () => {}): TracedModel {
  const traced = traceLoss(model, shape, (forward) => {
    observe('trace', forward.builder.build());
    addGradients(forward);
  });
  observe('autodiff', traced.graph);
  const graph = eliminateDeadCode(traced.graph);
  observe('eliminate_dead_code', graph);
  return { ...traced, graph };
}

/** Shown the graph that each pass leaves. */
export type ObserveTrace = (pass: 'trace' | 'autodiff' | 'eliminate_dead_code', graph: Graph) => void;

function addGradients({ builder, loss, parameters }: ForwardTrace): void {
  builder.at({ path: '', phase: 'backward', segment: 'head' }, () => {
    const seeds = [loss.lossSum, ...(loss.auxiliary ? [loss.auxiliary] : [])].map((value) => ({
      value,
      cotangent: builder.within('loss', () => value.constant(1)),
    }));
    const made = gradients(
      builder,
      seeds,
      parameters.map((parameter) => parameter.tensor),
    );
    parameters.forEach(({ name, tensor }, i) => {
      builder.output(`gradient.${name}`, made[i] ?? builder.fill(0, tensor.dtype, tensor.factors));
    });
  });
}
