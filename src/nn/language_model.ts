/** What every language model here shares: from tokens to a summed loss. */
import type { DType } from '../ir/dtype.js';
import { Tensor } from '../ir/tensor.js';
import type { Denominator } from './denominators.js';
import { wrongResult } from './diagnostics.js';
import { ModelBuilder } from './model_builder.js';
import { methodOf, Module } from './module.js';

export interface LanguageModelOptions {
  /** Number of token ids. Any number: nothing needs a multiple. */
  readonly vocab: number;
  /** Longest sequence the model can read, in tokens. */
  readonly context: number;
}

/**
 * What is trained on, as sums over one scheduled microbatch:
 *
 *   loss / tokens + Σ weight · term / (what it is averaged over)
 *
 * Each denominator is that of the whole step, counted over all its microbatches and ranks. So a microbatch, a rank or a sequence weighs as
 * much as it has of what is counted, uneven batches are exact, and padding, which no sum and no count has, weighs nothing.
 */
export interface SummedLoss {
  /** Of the losses of real tokens, in nats: over {@link tokens} of the whole step, what a training step shows as its loss. */
  readonly lossSum: Tensor;
  /** Number of real tokens. */
  readonly tokens: Tensor;
  /** What is trained on besides and is part of no loss that is shown, such as routers' balance. */
  readonly terms?: readonly LossTerm[];
}

/** A mean that is trained on beside the loss. */
export interface LossTerm {
  /** What metrics call it: small letters, digits and underscores, as `balance`. */
  readonly name: string;
  /** A scalar, to which padding adds nothing. */
  readonly sum: Tensor;
  /** What the sum of a whole step is divided by. */
  readonly over: Denominator;
  /** How much of the mean is trained on; of weight 0 it is reported alone. */
  readonly weight: number;
}

export abstract class LanguageModel<
  Options extends LanguageModelOptions = LanguageModelOptions,
> extends Module<Options> {
  /** tokens: i32 [microbatch batch sequence] → logits [microbatch batch sequence vocab]. */
  abstract forward(tokens: Tensor): Tensor;

  /**
   * What is trained on. A model may override it; the validation loss stays the {@link crossEntropy} of its logits, whatever it trains on,
   * so that it compares with other models' and counts bits.
   */
  loss(tokens: Tensor, labels: Tensor): SummedLoss {
    return crossEntropy(logitsOf(this, tokens), labels);
  }
}

/** What a model's forward gives. Throws `nn/wrong-result` where that is no tensor. */
export function logitsOf(model: LanguageModel, tokens: Tensor): Tensor {
  const logits: unknown = model.forward(tokens);
  if (logits instanceof Tensor) return logits;
  throw wrongResult({ ...methodOf(model, 'forward', logits), wants: 'a tensor of logits', path: '' });
}

/**
 * Cross-entropy of each next token, summed over real tokens: those whose label is not negative. Sums, not means, so that uneven
 * batches and padding are exact: the update divides by the token count of the whole step.
 */
export function crossEntropy(logits: Tensor, labels: Tensor): SummedLoss {
  return labels.builder.within('loss', () =>
    sumOverRealTokens(logits.apply('softmax_cross_entropy', [labels], { letters: ['v=vocab'] }), labels),
  );
}

/** Sums a loss of each token over the real tokens, and counts those. */
export function sumOverRealTokens(loss: Tensor, labels: Tensor): SummedLoss {
  const real = realTokens(labels, loss.dtype);
  const sums = { lossSum: loss.einsum([real], []), tokens: real.einsum([], []) };
  ModelBuilder.of(labels).noteCount(labels, sums.tokens);
  return sums;
}

/** One for each token whose label is not negative, else zero. */
export function realTokens(labels: Tensor, dtype: DType): Tensor {
  return labels.ge(labels.constant(0)).cast(dtype);
}
