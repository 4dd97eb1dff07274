/**
 * A mixture of experts: each token is sent to the `choices` experts that its router likes best (Shazeer et al. 2017), in buffers of
 * static size. Routing is data: which expert and which place in its buffer are integers in tensors, never shapes or control flow.
 *
 * Queues and capacity are those of one group of tokens, `token_groups.ts`; balance is that of one logical microbatch. Both are the model's and
 * not the plan's, and the buffers keep `microbatch` and the group as factors: where a plan splits tokens by `microbatch`, or sequences in
 * whole groups, and weights by `experts` over the same devices, dispatch and combine become all-to-alls.
 */
import { atLeastF32 } from '../ir/dtype.js';
import type { Tensor } from '../ir/tensor.js';
import { badSize, unexpectedFactor } from './diagnostics.js';
import { normal } from './init.js';
import { realTokens } from './language_model.js';
import { Linear } from './linear.js';
import { ModelBuilder } from './model_builder.js';
import { Module, Parameter, type OptionNames } from './module.js';
import { requireFactors } from './require_factors.js';
import { tokenGroups } from './token_groups.js';

/** Places in an expert's buffer, over those that even routing needs, where nothing is said (Lepikhin et al. 2021 take 1.25 to 2). */
export const usualCapacity = 1.25;

export interface MixtureOptions {
  readonly dim: number;
  readonly hidden: number;
  readonly experts: number;
  /** Experts that each token is sent to. */
  readonly choices: number;
  /**
   * Places in an expert's buffer, over those that perfectly even routing needs. A choice that finds its expert full is dropped: the
   * token keeps its other choices and the residual stream. Dropping lets a token's neighbours matter to it, so outside training
   * every expert has room for every token.
   */
  readonly capacity_factor?: number;
  /**
   * Runs in which a sequence is cut, each with places of its own in the buffers: ranks that share a sequence then exchange their own tokens
   * alone. A divisor of the length of a sequence; outside training, where every token has a place, it need not be. Default: 1.
   */
  readonly token_groups?: number;
  /** Standard deviation of the first weights of `down`, which writes to the residual stream. */
  readonly output_std?: number;
}

export interface MixtureResult {
  readonly y: Tensor;
  /**
   * [microbatch]: experts · Σ_e (share of choices sent to e) · (mean probability of e); 1 where even (Fedus et al. 2022, eq. 4). Over the
   * tokens that have a target: padding weighs nothing. 0 where there are none.
   */
  readonly balance: Tensor;
  /** [microbatch]: Σ (ln Σ_e exp(logit of e))² over the tokens that have a target: the z-loss (Zoph et al. 2022, eq. 5), not yet a mean. */
  readonly z: Tensor;
  /** [microbatch]: how many choices of tokens that have a target found their expert full. */
  readonly dropped: Tensor;
}

/** Experts are SwiGLU layers, as in Mixtral (Jiang et al. 2024); the weights of a token's choices sum to one. */
export class Mixture extends Module<MixtureOptions> {
  static override readonly optionNames: OptionNames<MixtureOptions> = {
    dim: true,
    hidden: true,
    experts: true,
    choices: true,
    capacity_factor: true,
    token_groups: true,
    output_std: true,
  };
  router = new Linear({ in: { dim: this.options.dim }, out: { experts: this.options.experts }, bias: false });
  gate = this.expertWeights('hidden', 'dim');
  up = this.expertWeights('hidden', 'dim');
  down = this.expertWeights('dim', 'hidden', this.options.output_std);

  constructor(options: MixtureOptions) {
    super(options);
    const { experts, choices } = options;
    if (!(choices >= 1 && choices <= experts)) {
      throw badSize({ module: 'Mixture', option: 'choices', value: choices, expected: `1 to experts = ${experts}` });
    }
  }

  forward(x: Tensor): MixtureResult {
    requireFactors(this, x, taken);
    const factor = x.names.find((name) => !taken.includes(name));
    if (factor !== undefined) {
      throw unexpectedFactor({ layer: 'Mixture', factor, takes: taken, has: x.names, path: x.builder.path });
    }
    const { experts, choices, capacity_factor = usualCapacity } = this.options;
    const { training } = ModelBuilder.of(x);
    const groups = tokenGroups(this.groupsOf(x.size('sequence'), training));
    const tokens = (x.size('batch') * x.size('sequence')) / groups.count;
    const even = (choices * tokens) / experts;
    const capacity = training ? Math.min(tokens, Math.ceil(capacity_factor * even)) : tokens;

    const logits = this.router.forward(x);
    const probability = logits.apply('softmax', [], { letters: ['v=experts'] });
    const expert = probability.apply('topk', [], { factor: 'experts', k: choices, name: 'choice' });
    const sent = expert.eq(x.builder.iota({ name: 'experts', size: experts }, expert.dtype)).cast('i32');
    const chosen = probability.apply('gather', [expert], { by: ['experts'], to: expert.names });
    const weight = chosen.div(chosen.sum('choice'));

    const [tokensOf, chosenBy] = [groups.cut(x), groups.cut(expert)];
    const place = placeInQueue(groups.cut(sent), chosenBy, groups.within);
    const ids = [chosenBy, place];
    const inputs = tokensOf.apply('scatter', ids, {
      by: ['experts', 'place'],
      to: ['experts', ...groups.queues, 'place', 'dim'],
      sizes: [experts, capacity],
    });
    const outputs = this.runExperts(inputs, groups.queues);
    const returned = outputs.apply('gather', ids, { by: ['experts', 'place'], to: [...chosenBy.names, 'dim'] });
    const real = realTokensOf(sent);
    return {
      y: groups.join(returned.einsum([groups.cut(weight)], tokensOf.names)),
      balance: this.balance(sent, probability, real),
      z: squaredNormalisers(logits, real),
      dropped: place
        .ge(place.constant(capacity))
        .cast('i32')
        .einsum([groups.cut(real)], ['microbatch'])
        .cast(atLeastF32(probability.dtype)),
    };
  }

  private groupsOf(sequence: number, training: boolean): number {
    const { token_groups: groups = 1 } = this.options;
    if (sequence % groups === 0) return groups;
    if (!training) return 1;
    const expected = `a divisor of the ${sequence} tokens of a sequence`;
    throw badSize({ module: 'Mixture', option: 'token_groups', value: groups, expected });
  }

  private balance(sent: Tensor, probability: Tensor, real: Tensor): Tensor {
    const { experts, choices } = this.options;
    const dtype = atLeastF32(probability.dtype);
    const count = real.sum('batch sequence').maximum(1).cast(dtype);
    const mean = (x: Tensor) =>
      x
        .einsum([real.cast(x.dtype)], ['microbatch', 'experts'])
        .cast(dtype)
        .div(count);
    return mean(sent)
      .einsum([mean(probability)], ['microbatch'])
      .mul(experts / choices);
  }

  /** [experts queues place dim] → the same, each expert by its own weights: all of an expert's rows are one matrix. */
  private runExperts(x: Tensor, queues: readonly string[]): Tensor {
    const to = (factor: string) => ['experts', ...queues, 'place', factor];
    const gate = x.einsum([this.gate.tensor(x)], to('hidden'));
    const up = x.einsum([this.up.tensor(x)], to('hidden'));
    return gate.apply('swiglu', [up]).einsum([this.down.tensor(x)], to('dim'));
  }

  private expertWeights(out: 'hidden' | 'dim', from: 'hidden' | 'dim', std = 0.02): Parameter {
    const { experts } = this.options;
    return new Parameter({
      dims: [{ experts }, { [out]: this.options[out] }, { [from]: this.options[from] }],
      init: normal(std),
    });
  }
}

/** [microbatch]: of the router's softmax of each real token the logarithm of what it divides by, squared, summed. */
function squaredNormalisers(logits: Tensor, real: Tensor): Tensor {
  const wide = logits.cast('f32');
  const max = wide.max('experts');
  const normaliser = wide.sub(max).exp().sum('experts').log().add(max);
  return normaliser.square().einsum([real.cast(wide.dtype)], ['microbatch']);
}

/** i32 [microbatch batch sequence]: one for each token that has a target, or, where none have, for each token. */
function realTokensOf(sent: Tensor): Tensor {
  const { labels } = ModelBuilder.of(sent);
  if (labels) return realTokens(labels, 'i32');
  const factors = sent.factors.filter(({ name }) => ['microbatch', 'batch', 'sequence'].includes(name));
  return sent.builder.fill(1, 'i32', factors);
}

/** Of its input. */
const taken: readonly string[] = ['microbatch', 'batch', 'sequence', 'dim'];

/**
 * How many choices of the same group come before each in the queue of its expert. sent: integers, one where a choice is for an expert;
 * expert: which that is; `tokens`: the factors of tokens that queue together. A queue's order is by sequence of the batch, then token, then
 * choice.
 */
function placeInQueue(sent: Tensor, expert: Tensor, tokens: readonly string[]): Tensor {
  const upToIt = sent.apply('cumsum', [], { factor: [...tokens, 'choice'] });
  return upToIt.apply('gather', [expert], { by: ['experts'], to: expert.names }).sub(1);
}
