/** Self-attention over a sequence (Vaswani et al. 2017), with grouped key/value heads (Ainslie et al. 2023) and rotary positions. */
import type { Attributes } from '../ir/graph.js';
import type { Having, Made, Shape, Without } from '../ir/shape.js';
import type { Tensor } from '../ir/tensor.js';
import { badSize } from './diagnostics.js';
import { normal } from './init.js';
import { Linear } from './linear.js';
import { ModelBuilder } from './model_builder.js';
import { Module, Parameter, type FactorSizes, type OptionNames } from './module.js';
import { alibiSlopes, type RelativeBias } from './relative_positions.js';
import { requireFactors } from './require_factors.js';
import { rotaryTables, type RotaryOptions } from './rotary.js';

export interface AttentionOptions {
  readonly dim: number;
  /** Query heads. */
  readonly heads: number;
  /** Key/value heads, each read by heads/kv_heads query heads; as many as heads where absent. */
  readonly kv_heads?: number;
  /** Width of a head; dim/heads where absent. */
  readonly head_dim?: number;
  /** Each token reads itself and those before it; else all tokens. */
  readonly causal?: boolean;
  /** Each token reads itself and the window − 1 before it (and, where not causal, behind it), as in Mistral; 0 or absent: all. */
  readonly window?: number;
  /** Turns queries and keys by their positions (Su et al. 2021) with frequencies base^(−2i/head_dim), scaled or not. */
  readonly rotary?: RotaryOptions;
  /** A learned logit a head beside those of the keys, for what a query takes of nobody (gpt-oss). */
  readonly sinks?: boolean;
  /** Scores fall with the distance, by a slope a head (Press et al. 2022). */
  readonly alibi?: boolean;
  /** Learned biases by distance; of several layers where it is one object. */
  readonly relative_bias?: RelativeBias;
  /** What scores are multiplied by; 1/√head_dim where absent. */
  readonly scale?: number;
  readonly bias?: boolean;
  /** Standard deviation of the first weights of `output`, which writes to the residual stream. */
  readonly output_std?: number;
}

/**
 * With a key/value head for every query head, one product makes all three: `qkv.weight` is `[(qkv heads head_dim), dim]`, so half
 * of `heads` is half of q, half of k and half of v. With grouped heads `q.weight` is `[(kv_group group head_dim), dim]`, and
 * `k.weight` and `v.weight` are `[(kv_group head_dim), dim]`. With rotary positions `head_dim` is `pair frequency`: feature i turns
 * with feature i + head_dim/2.
 */
export class Attention extends Module<AttentionOptions> {
  static override readonly optionNames: OptionNames<AttentionOptions> = {
    dim: true,
    heads: true,
    kv_heads: true,
    head_dim: true,
    causal: true,
    window: true,
    rotary: true,
    sinks: true,
    alibi: true,
    relative_bias: true,
    scale: true,
    bias: true,
    output_std: true,
  };
  qkv: Linear | null = null;
  q: Linear | null = null;
  k: Linear | null = null;
  v: Linear | null = null;
  output: Linear;
  sinks: Parameter | null = null;
  relative_bias: RelativeBias | null = this.options.relative_bias ?? null;

  constructor(options: AttentionOptions) {
    super(options);
    const { dim, heads, kv_heads = heads, head_dim = dim / heads, bias = false, window = 0, output_std } = options;
    if (!Number.isInteger(head_dim)) {
      throw badSize({
        module: 'Attention',
        option: 'heads',
        value: heads,
        expected: `a divisor of dim = ${dim}, or head_dim`,
      });
    }
    if (!Number.isInteger(heads / kv_heads)) {
      throw badSize({
        module: 'Attention',
        option: 'kv_heads',
        value: kv_heads,
        expected: `a divisor of heads = ${heads}`,
      });
    }
    if (options.rotary && head_dim % 2 !== 0) {
      throw badSize({
        module: 'Attention',
        option: 'head_dim',
        value: head_dim,
        expected: 'an even number: rotary turns pairs',
      });
    }
    if (!(Number.isInteger(window) && window >= 0)) {
      throw badSize({
        module: 'Attention',
        option: 'window',
        value: window,
        expected: 'a number of tokens, or 0 for all',
      });
    }
    const linear = (out: FactorSizes) => new Linear({ in: { dim }, out, bias });
    const head: FactorSizes = options.rotary ? { pair: 2, frequency: head_dim / 2 } : { head_dim: head_dim };
    const group: FactorSizes = heads === kv_heads ? { heads } : { kv_group: kv_heads, group: heads / kv_heads };
    if (heads === kv_heads) this.qkv = linear({ qkv: 3, ...group, ...head });
    else {
      this.q = linear({ ...group, ...head });
      this.k = linear({ kv_group: kv_heads, ...head });
      this.v = linear({ kv_group: kv_heads, ...head });
    }
    this.output = new Linear({ in: { ...group, ...head }, out: { dim }, bias, std: output_std });
    if (options.sinks) this.sinks = new Parameter({ dims: [group], init: normal(0.02) });
  }

  forward<S extends Shape>(x: Having<S, 'sequence' | 'dim'>): Tensor<Attended<S>>;
  forward(x: Tensor): Tensor {
    requireFactors(this, x, ['sequence', 'dim']);
    const batch = x.names.filter((name) => name !== 'sequence' && name !== 'dim');
    const [query, key, v] = this.project(x);
    const [q, k] = this.options.rotary ? turn([query, key], batch, this.options.rotary) : [query, key];
    const given = Object.entries(this.given(x, q, batch)).flatMap(([name, tensor]) =>
      tensor ? [{ name, tensor }] : [],
    );
    const operands = given.map(({ tensor }) => tensor);
    const attributes = {
      ...this.masks(x.size('sequence')),
      ...(given.length > 0 && { given: given.map(({ name }) => name) }),
      letters: attentionLetters(batch, k),
    };
    return this.output.forward(q.apply('attention', [k, v, ...operands], attributes));
  }

  /** Optional operands of the op, in its order. */
  private given(x: Tensor, q: Tensor, batch: readonly string[]): Readonly<Record<string, Tensor | null>> {
    const documents = ModelBuilder.of(x).documents();
    if (documents) requireFactors(this, x, ['microbatch', 'batch']);
    const asQueries = (places: Tensor) => places.transpose([...batch, 'sequence']);
    const heads = q.factors.filter(({ name }) => headNames.includes(name));
    return {
      starts: documents && asQueries(documents.starts),
      ends: documents && !this.options.causal ? asQueries(documents.ends) : null,
      sinks: this.sinks?.tensor(x) ?? null,
      slopes: this.options.alibi ? alibiSlopes(x, heads) : null,
      bias: this.relative_bias?.forward(x) ?? null,
    };
  }

  /** As attributes of the op. A window of the whole sequence hides nothing. */
  private masks(sequence: number): Attributes {
    const { causal = false, window = 0, scale } = this.options;
    return {
      causal,
      ...(window > 0 && window < sequence && { window }),
      ...(scale !== undefined && { scale }),
    };
  }

  /** Queries, keys and values: [batch… sequence heads… head…]. */
  private project(x: Tensor): readonly Tensor[] {
    if (this.qkv) return this.qkv.forward(x).unstack('qkv');
    return [this.q!, this.k!, this.v!].map((linear) => linear.forward(x));
  }
}

/** What attention gives: `sequence` and `dim` behind the factors that are a batch to it. */
type Attended<S extends Shape> = Made<Made<Without<S, readonly ['sequence', 'dim']>, 'sequence'>, 'dim'>;

/** Queries and keys, turned by their positions. */
function turn(tensors: readonly Tensor[], batch: readonly string[], rotary: RotaryOptions): readonly Tensor[] {
  const tables = rotaryTables(tensors[0], rotary, tensors[0].size('frequency'));
  return tensors.map((t) => t.apply('rotary', tables, { letters: rotaryLetters(batch, t) }));
}

/** What the letters of the ops stand for here; see ops/rotary.ts and ops/attention.ts. */
const rotaryLetters = (batch: readonly string[], t: Tensor): readonly string[] => [
  `b=${batch.join(' ')}`,
  's=sequence',
  `h=${t.names.filter((name) => headNames.includes(name)).join(' ')}`,
  'p=pair',
  'f=frequency',
];

const attentionLetters = (batch: readonly string[], k: Tensor): readonly string[] => {
  const grouped = k.names.includes('kv_group');
  return [
    `b=${batch.join(' ')}`,
    's=sequence',
    't=sequence',
    grouped ? 'g=kv_group' : 'g=heads',
    grouped ? 'r=group' : 'r=',
    k.names.includes('pair') ? 'd=pair frequency' : 'd=head_dim',
  ];
};

const headNames: readonly string[] = ['heads', 'kv_group', 'group'];
