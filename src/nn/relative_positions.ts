/** What attention adds to scores by how far a key lies from its query: ALiBi's slopes, and biases that are learned, as in T5. */
import type { Tensor } from '../ir/tensor.js';
import type { Factor } from '../ir/type.js';
import { badSize } from './diagnostics.js';
import { normal } from './init.js';
import { Module, Parameter, type FactorSizes, type OptionNames } from './module.js';

/**
 * ALiBi (Press et al. 2022): f32 [heads…], of head k of n the slope 2^(−8(k + 1)/n), where n is a power of two. Other numbers have those of
 * the power below, and then every other one of twice that power, as the authors' code does.
 */
export function alibiSlopes(like: Tensor, heads: readonly Factor[]): Tensor {
  const count = heads.reduce((n, { size }) => n * size, 1);
  const power = 2 ** Math.floor(Math.log2(count));
  const head = like.builder.index(heads, 'f32', like.scope);
  const among = head.add(1).mul((-8 * Math.LN2) / power);
  if (power === count) return among.exp();
  const between = head
    .sub(power)
    .mul(2)
    .add(1)
    .mul((-4 * Math.LN2) / power);
  return head.ge(power).where(between, among).exp();
}

export interface RelativeBiasOptions {
  readonly heads: number;
  /** As in the attention that it is for; as many as heads where absent. */
  readonly kv_heads?: number;
  /** Half of them for single distances, the others for ever longer stretches; of a bias in both directions, half for each. Default 32. */
  readonly buckets?: number;
  /** Distances from which on all have one bias. Default 128. */
  readonly max_distance?: number;
  /** Whether keys behind the query have biases of their own; else they have that of distance 0. */
  readonly bidirectional?: boolean;
  /** Standard deviation of the first biases. */
  readonly std?: number;
}

/**
 * T5's relative position bias (Raffel et al. 2020): a learned number for each bucket of distances and each head, `weight` [buckets, heads].
 * Give one to several layers and they share it, as T5's do.
 */
export class RelativeBias extends Module<RelativeBiasOptions> {
  static override readonly optionNames: OptionNames<RelativeBiasOptions> = {
    heads: true,
    kv_heads: true,
    buckets: true,
    max_distance: true,
    bidirectional: true,
    std: true,
  };
  weight = new Parameter({
    dims: [{ bucket: this.options.buckets ?? usualBuckets }, this.heads],
    init: normal(this.options.std ?? 0.02),
  });

  constructor(options: RelativeBiasOptions) {
    super(options);
    const { buckets = usualBuckets, max_distance = usualFarthest, bidirectional = false } = options;
    const side = buckets / (bidirectional ? 4 : 2);
    if (!Number.isInteger(side) || side < 1)
      throw badSize({
        module: 'RelativeBias',
        option: 'buckets',
        value: buckets,
        expected: `a multiple of ${bidirectional ? 4 : 2}`,
      });
    if (!Number.isInteger(max_distance) || max_distance <= side)
      throw badSize({
        module: 'RelativeBias',
        option: 'max_distance',
        value: max_distance,
        expected: `a whole number above ${side}, the single distances`,
      });
  }

  /** f32 [heads… distance], of distances −max_distance … max_distance of key less query. */
  forward(like: Tensor): Tensor {
    const { buckets = usualBuckets, max_distance = usualFarthest, bidirectional = false } = this.options;
    const place = like.builder.iota({ name: 'distance', size: 2 * max_distance + 1 }, 'i32');
    const bucketAt = (at: number) => bucketOf(at - max_distance, { buckets, max_distance, bidirectional });
    let ids = place.mul(0).add(bucketAt(0));
    for (let at = 1; at <= 2 * max_distance; at++) {
      const step = bucketAt(at) - bucketAt(at - 1);
      if (step !== 0) ids = ids.add(place.ge(at).cast('i32').mul(step));
    }
    const table = this.weight.tensor(like).cast('f32');
    return table.apply('gather', [ids], { by: ['bucket'], to: [...Object.keys(this.heads), 'distance'] });
  }

  private get heads(): FactorSizes {
    const { heads, kv_heads = heads } = this.options;
    return heads === kv_heads ? { heads } : { kv_group: kv_heads, group: heads / kv_heads };
  }
}

const usualBuckets = 32;
const usualFarthest = 128;

/** Which bucket a distance of key less query falls in: Hugging Face's `_relative_position_bucket`. */
function bucketOf(
  distance: number,
  {
    buckets,
    max_distance,
    bidirectional,
  }: Required<Pick<RelativeBiasOptions, 'buckets' | 'max_distance' | 'bidirectional'>>,
): number {
  const each = bidirectional ? buckets / 2 : buckets;
  const behind = bidirectional && distance > 0 ? each : 0;
  const far = bidirectional ? Math.abs(distance) : Math.max(0, -distance);
  const single = each / 2;
  if (far < single) return behind + far;
  const share = Math.log(far / single) / Math.log(max_distance / single);
  return behind + Math.min(each - 1, single + Math.floor(share * (each - single)));
}
