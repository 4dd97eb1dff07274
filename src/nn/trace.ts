/** Tracing: a model's forward runs once, on symbols, and leaves a graph. */
import type { GraphBuilder } from '../ir/builder.js';
import type { DType } from '../ir/dtype.js';
import type { Graph } from '../ir/graph.js';
import { resultRole, termRole, type DataInput, type ResultName, type Role } from '../ir/role.js';
import { Tensor } from '../ir/tensor.js';
import { tensorType, type TensorType } from '../ir/type.js';
import { ops } from '../ops/index.js';
import {
  badSize,
  documentsNotRead,
  noForward,
  repeatedName,
  reservedName,
  sequenceTooLong,
  wrongResult,
} from './diagnostics.js';
import type { Init } from './init.js';
import type { Denominator } from './denominators.js';
import { crossEntropy, logitsOf, type LanguageModel, type SummedLoss } from './language_model.js';
import { checkTerms } from './loss_terms.js';
import { ModelBuilder } from './model_builder.js';
import { tellingLine } from './model_line.js';
import { blockListOf, methodOf, modulesOf, parametersOf, type NamedParameter } from './module.js';

/** Sizes of one scheduled microbatch. All shapes of a graph are static. */
export interface TraceShape {
  /** Logical microbatches in a scheduled one. */
  readonly microbatches?: number;
  /** Sequences in a logical microbatch. */
  readonly batch: number;
  /** Tokens in a sequence. */
  readonly sequence: number;
  /** Element type of parameters and activations: f32 (the default), or f64 where results are compared tightly. */
  readonly dtype?: Extract<DType, 'f32' | 'f64'>;
  /** False for validation and sampling: dropout keeps everything. */
  readonly training?: boolean;
  /** How documents lie in a sequence; `packed` where absent. */
  readonly documents?: Documents;
}

/**
 * `packed`: one behind the other, read as one text. `separate`: no token sees another document's, and positions begin anew in each. Data
 * inputs `document_starts` and `document_ends`, as far as they are read, say of each token the position where its document begins, and
 * the one behind its end.
 */
export type Documents = 'packed' | 'separate';

export interface TracedParameter {
  readonly name: string;
  readonly type: TensorType;
  readonly init: Init;
}

/** What a model trains on beside its loss: see {@link LossTerm}. */
export interface TracedTerm {
  readonly name: string;
  readonly over: Denominator;
}

export interface TracedModel {
  /** Inputs: the parameters by name, then `tokens` and what else is read; outputs as the tracer says. */
  readonly graph: Graph;
  /** In the order of the model's fields; a tied parameter once. */
  readonly parameters: readonly TracedParameter[];
}

/** The parameters of a model, as tracing names and types them. */
export function describeParameters(model: LanguageModel, dtype: DType = 'f32'): readonly TracedParameter[] {
  return namedParameters(model).map(({ name, parameter }) => ({
    name,
    type: { dtype, dims: parameter.dims },
    init: parameter.init,
  }));
}

/** Throws where a parameter takes the place of a method, or another's name, and where a size of it is no count. */
function namedParameters(model: LanguageModel): readonly NamedParameter[] {
  const parameters = parametersOf(model);
  const seen = new Set<string>();
  for (const { name, parameter } of parameters) {
    if (['forward', 'loss', 'constructor'].includes(name)) throw reservedName({ name });
    if (seen.has(name)) throw repeatedName({ name });
    seen.add(name);
    for (const { name: factor, size } of parameter.dims.flat()) {
      // Without TypeScript's checks an option that was left out arrives as undefined.
      if (!Number.isInteger(size) || size < 1)
        throw badSize({
          module: name,
          option: factor,
          value: size,
          expected: 'a positive integer, by the options of the model',
        });
    }
  }
  return parameters;
}

/**
 * The forward of a validation step over one scheduled microbatch: the cross-entropy of the model's logits, whatever it trains on. Data
 * inputs `tokens` and `labels`: i32 [microbatch batch sequence]; outputs `loss_sum` and `tokens` (see {@link SummedLoss}).
 */
export function traceModel(model: LanguageModel, shape: TraceShape): TracedModel {
  return trace('forward', model, shape, (builder, tokens) => {
    const labels = builder.takeLabels(tokens.type);
    outputLoss(builder, crossEntropy(logitsOf(model, tokens), labels), shape);
  });
}

/** A traced forward to which a pass adds: how the training step is made (`passes/trace_training.ts`). */
export interface ForwardTrace {
  readonly builder: GraphBuilder;
  /** Sums of which the gradient is asked, each times its weight, over the denominator of each. */
  readonly sums: readonly WeighedSum[];
  readonly parameters: readonly { readonly name: string; readonly tensor: Tensor }[];
}

export interface WeighedSum {
  readonly value: Tensor;
  readonly weight: number;
  readonly over: Denominator;
}

/**
 * The forward of a training step: inputs and outputs as {@link traceModel}'s, of {@link LanguageModel.loss}, and of each of its terms the sum;
 * with what `extend` adds to the graph once the forward is whole.
 */
export function traceLoss(
  model: LanguageModel,
  shape: TraceShape,
  extend: (forward: ForwardTrace) => void,
): TracedModel & { readonly terms: readonly TracedTerm[] } {
  let terms: readonly TracedTerm[] = [];
  const traced = trace('training', model, shape, (builder, tokens) => {
    const labels = builder.takeLabels(tokens.type);
    const loss = lossOf(model, tokens, labels);
    terms = checkTerms(model, loss, builder);
    const sums = outputLoss(builder, loss, shape);
    const parameters = parametersOf(model).map((p) => ({ name: p.name, tensor: builder.parameter(p.parameter) }));
    extend({ builder, sums, parameters });
  });
  return { ...traced, terms };
}

/** What a model trains on. Throws `nn/wrong-result` where that is no sums. */
function lossOf(model: LanguageModel, tokens: Tensor, labels: Tensor): SummedLoss {
  const loss: Partial<SummedLoss> | undefined = model.loss(tokens, labels);
  const { lossSum, tokens: count, terms = [], ...others } = loss ?? {};
  const [unknown] = Object.keys(others);
  if (lossSum instanceof Tensor && count instanceof Tensor && Array.isArray(terms) && unknown === undefined)
    return { lossSum, tokens: count, terms };
  const wants = '{ lossSum, tokens }, each a tensor, with a list of terms or none';
  const told = lossSum instanceof Tensor && unknown !== undefined ? { given: `'${unknown}'` } : {};
  throw wrongResult({ ...methodOf(model, 'loss', loss), ...told, wants, path: '' });
}

/** Sums are outputs in the master type, whatever type the model has them in. Returns those that are trained on, so. */
function outputLoss(
  builder: ModelBuilder,
  { lossSum, tokens, terms = [] }: SummedLoss,
  { dtype = 'f32' }: TraceShape,
): readonly WeighedSum[] {
  const output = (role: Role, sum: Tensor): Tensor => {
    const value = sum.exactly(dtype);
    builder.output(role, value);
    return value;
  };
  const loss = output(resultRole('loss_sum' satisfies ResultName), lossSum);
  output(resultRole('tokens' satisfies ResultName), tokens);
  const others = terms.map(({ name, sum, over, weight }) => ({ value: output(termRole(name), sum), weight, over }));
  builder.endForward();
  return [{ value: loss, weight: 1, over: 'tokens' }, ...others];
}

/**
 * What sampling needs: data input `tokens`; output `logits` [microbatch batch sequence vocab] of the token after each. Later tokens
 * have no effect on a logit in a causal model, so a prompt may be padded. All of it is one document.
 */
export function traceLogits(model: LanguageModel, shape: TraceShape): TracedModel {
  return trace('logits', model, { ...shape, training: false, documents: 'packed' }, (builder, tokens) => {
    builder.output('logits' satisfies ResultName, logitsOf(model, tokens));
  });
}

function trace(
  name: string,
  model: LanguageModel,
  shape: TraceShape,
  body: (builder: ModelBuilder, tokens: Tensor) => void,
): TracedModel {
  const { microbatches = 1, batch, sequence, dtype = 'f32', training = true, documents = 'packed' } = shape;
  for (const [option, value] of Object.entries({ microbatches, batch, sequence })) {
    if (!Number.isInteger(value) || value < 1) {
      throw badSize({ module: 'trace', option, value, expected: 'a positive integer' });
    }
  }
  if (sequence > model.options.context) throw sequenceTooLong({ sequence, context: model.options.context });
  // Without TypeScript's checks a class may leave it out.
  if (typeof model.forward !== 'function') throw noForward({ module: model.constructor.name });
  const tree = { parameters: namedParameters(model), modules: modulesOf(model), blocks: blockListOf(model) };
  const type = tensorType('i32', { microbatch: microbatches, batch, sequence });
  const places = documents === 'separate' ? type : null;
  const builder = new ModelBuilder(ops, tree, { name, dtype, training, places });
  const tokens = builder.input('tokens' satisfies DataInput, 'data', type);
  tellingLine(() => body(builder, tokens));
  if (places && !builder.readsDocuments) throw documentsNotRead({ model: model.constructor.name });
  return { graph: builder.build(), parameters: describeParameters(model, dtype) };
}
