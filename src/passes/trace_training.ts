/** The training step's graph over one scheduled microbatch: a model's forward, and the gradients of what it trains on. */
import type { Graph } from '../ir/graph.js';
import { gradientRole, type ScalarInput } from '../ir/role.js';
import type { Tensor } from '../ir/tensor.js';
import type { TensorType } from '../ir/type.js';
import type { LanguageModel } from '../nn/language_model.js';
import { blockListOf } from '../nn/module.js';
import { scalarOf } from '../nn/denominators.js';
import { traceLoss, type ForwardTrace, type TracedModel, type TracedTerm, type TraceShape } from '../nn/trace.js';
import { gradients } from './autodiff.js';
import { nothingToTrain } from './diagnostics.js';
import { eliminateDeadCode } from './eliminate_dead_code.js';

export interface TracedTraining extends TracedModel {
  /** What the model trains on beside its loss. */
  readonly terms: readonly TracedTerm[];
  /** Parameters through which no gradient of the loss flows: as in PyTorch they have none, and training leaves them as they are. */
  readonly unusedParameters: readonly string[];
}

/**
 * Inputs as `traceModel`'s, and scalars that terms are weighed by; outputs `loss_sum`, `tokens`, the sum of each term and, for each parameter
 * through which a gradient flows, its gradient: of `tokens` times what is trained on, of the parameter's type. Throws where none flows
 * through any.
 */
export function traceTraining(
  model: LanguageModel,
  shape: TraceShape,
  observe: ObserveTrace = () => {},
): TracedTraining {
  let unusedParameters: readonly string[] = [];
  const traced = traceLoss(model, shape, (forward) => {
    observe('trace', forward.builder.build());
    // Where the forward ends. A model without a list of blocks is one segment.
    unusedParameters = addGradients(forward, blockListOf(model) ? 'head' : 'model');
  });
  observe('autodiff', traced.graph);
  const graph = eliminateDeadCode(traced.graph);
  observe('eliminate_dead_code', graph);
  return { ...traced, graph, unusedParameters };
}

/** Shown the graph that each pass leaves. */
export type ObserveTrace = (pass: 'trace' | 'autodiff' | 'eliminate_dead_code', graph: Graph) => void;

/** Returns the names of parameters that have no gradient. */
function addGradients({ builder, sums, parameters }: ForwardTrace, segment: string): readonly string[] {
  return builder.at({ path: '', phase: 'backward', segment }, () => {
    const scalars = new Map<ScalarInput, Tensor>();
    const inputOf = (name: ScalarInput, type: TensorType): Tensor => {
      const tensor = scalars.get(name) ?? builder.input(name, 'scalar', type);
      scalars.set(name, tensor);
      return tensor;
    };
    const trained = sums.filter(({ weight }) => weight !== 0);
    const seeds = trained.map(({ value, weight, over }) => {
      const scalar = scalarOf[over];
      const cotangent = () => (scalar ? inputOf(scalar, value.type).mul(weight) : value.constant(weight));
      return { value, cotangent: builder.within('loss', cotangent) };
    });
    const made = gradients(
      builder,
      seeds,
      parameters.map((parameter) => parameter.tensor),
    );
    const unused = parameters.filter((_, i) => made[i] === null).map(({ name }) => name);
    if (unused.length === parameters.length) throw nothingToTrain({ parameters: unused });
    made.forEach((gradient, i) => gradient && builder.output(gradientRole(parameters[i].name), gradient));
    return unused;
  });
}
