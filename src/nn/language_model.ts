/** What every language model here shares: from tokens to a summed loss. */
import type { DType } from '../ir/dtype.js';
import { Tensor } from '../ir/tensor.js';
import { wrongResult } from './diagnostics.js';
import { methodOf, Module } from './module.js';

export interface LanguageModelOptions {
  /** Number of token ids. Any number: nothing needs a multiple. */
  readonly vocab: number;
  /** Longest sequence the model can read, in tokens. */
  readonly context: number;
}

/**
 * Sums over one scheduled microbatch. Every term of what is trained on is a sum over real tokens, those that have a target, and has one
 * denominator: the real tokens of the whole step, counted over all microbatches and ranks when all are there. So a microbatch, a rank or a
 * sequence weighs as many tokens as it has, uneven batches are exact, and padding weighs nothing. A term that is a mean over something else
 * comes in by the real tokens that it stands for: routers' balance, a number a logical microbatch, times the tokens of that.
 */
export interface SummedLoss {
  /** Of the losses of real tokens, in nats: over {@link tokens} of the whole step, what a training step shows as its loss. */
  readonly lossSum: Tensor;
  /** Number of real tokens. */
  readonly tokens: Tensor;
  /** What is trained on besides and is part of no loss that is shown, such as routers' balance: a sum over real tokens too. */
  readonly auxiliary?: Tensor;
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
  return { lossSum: loss.einsum([real], []), tokens: real.einsum([], []) };
}

/** One for each token whose label is not negative, else zero. */
export function realTokens(labels: Tensor, dtype: DType): Tensor {
  return labels.ge(labels.constant(0)).cast(dtype);
}
