/**
 * What tracing refuses the type checker refuses before, where names are literal: each line below a `@ts-expect-error` would fail the build
 * if it compiled, and is run here.
 */
import { describe, expect, test } from 'vitest';
import { keepingOps, type Tensor } from '../ir/tensor.js';
import { ops } from '../ops/index.js';
import * as nn from './index.js';
import { traceLogits } from './trace.js';

type Tokens = Tensor<['microbatch', 'batch', 'sequence']>;
type Stream = Tensor<['microbatch', 'batch', 'sequence', 'dim']>;

/** A model that does `body` with its layers, on the way to its logits. */
class Probe extends nn.LanguageModel {
  readonly body: (x: Stream, layers: Probe, tokens: Tokens) => unknown;
  embedding = new nn.Embedding({ by: 'vocab', count: this.options.vocab, dim: 4 });
  table = new nn.Parameter({ dims: [{ hidden: 3 }, { dim: 4 }], init: nn.zeros });
  up = new nn.Linear({ in: { dim: 4 }, out: { hidden: 3 } });
  heads = new nn.Linear({ in: { dim: 4 }, out: { heads: 2, head_dim: 2 } });
  norm = new nn.RMSNorm({ dim: 4 });
  attention = new nn.Attention({ dim: 4, heads: 2 });
  head = new nn.Linear({ in: { dim: 4 }, out: { vocab: this.options.vocab } });

  constructor(body: Probe['body']) {
    super({ vocab: 5, context: 6 });
    this.body = body;
  }

  forward(tokens: Tokens) {
    const x = this.embedding.forward(tokens);
    this.body(x, this, tokens);
    return this.head.forward(x);
  }
}

const traced = (body: Probe['body']) => traceLogits(new Probe(body), { batch: 2, sequence: 6 });

describe('a name that no tensor has', () => {
  test.each<[string, Probe['body']]>([
    // @ts-expect-error -- no such factor
    ['sum', (x) => x.sum('nope')],
    // @ts-expect-error -- among others that there are
    ['sum of several', (x) => x.sum('batch nope')],
    // @ts-expect-error -- in a list
    ['sum of a list', (x) => x.sum(['nope'])],
    // @ts-expect-error -- summed already
    ['mean of what is summed', (x) => x.sum('dim').mean('dim')],
    // @ts-expect-error -- no such factor
    ['max', (x) => x.max('nope')],
    // @ts-expect-error -- no such factor
    ['size', (x) => x.size('nope')],
    // @ts-expect-error -- no such factor
    ['rename', (x) => x.rename({ nope: 'other' })],
    // @ts-expect-error -- it has another name now
    ['what was renamed', (x) => x.rename({ dim: 'other' }).sum('dim')],
    // @ts-expect-error -- no such factor
    ['unstack', (x) => x.unstack('nope')],
    // @ts-expect-error -- an output that no operand has
    ['einsum', (x) => x.einsum([], 'batch nope')],
    // @ts-expect-error -- nor has the parameter
    ['einsum with a parameter', (x, { table }) => x.einsum([table.tensor(x)], 'batch nope')],
    // @ts-expect-error -- elementwise results have the names of both
    ['after arithmetic', (x, { table }) => x.add(table.tensor(x)).exp().sum('nope')],
    // @ts-expect-error -- its input lacks dim
    ['a linear layer', (x, { up }) => up.forward(x.sum('dim'))],
    // @ts-expect-error -- and gives hidden instead
    ['after a linear layer', (x, { up }) => up.forward(up.forward(x))],
    // @ts-expect-error -- of several outputs too
    ['a linear layer of several outputs', (x, { heads }) => heads.forward(x.sum('dim'))],
    // @ts-expect-error -- its input lacks dim
    ['a norm', (x, { norm }) => norm.forward(x.sum('dim'))],
    // @ts-expect-error -- its input lacks a sequence
    ['attention', (x, { attention }) => attention.forward(x.mean('sequence'))],
  ])('%s', (_, body) => {
    expect(() => traced(body)).toThrow(/nope|dim|sequence|factor/);
  });
});

test('names that there are go through, and so do names that the type checker does not know', () => {
  traced((x, { up, heads, table, norm, attention }) => {
    const hidden: Tensor<['microbatch', 'batch', 'sequence', 'hidden']> = up.forward(
      norm.forward(attention.forward(x)),
    );
    const product: Tensor<['batch', 'sequence', 'hidden']> = x.einsum([table.tensor(x)], 'batch sequence hidden');
    const renamed: Tensor<['microbatch', 'batch', 'key', 'dim']> = x.rename({ sequence: 'key' });
    const one: Tensor<['hidden']> = hidden.sum('microbatch batch sequence');
    heads.forward(x).sum('heads head_dim');
    // An op by name, and names that are computed: tracing judges.
    x.apply('gelu').sum('dim');
    const computed: readonly string[] = ['batch', 'dim'];
    x.sum(computed).sum('sequence');
    return [product, renamed, one];
  });
});

test('where names are known, their order is that of the traced tensor', () => {
  /** Holds what the checker knows of a tensor against the tensor. */
  const has = <S extends readonly string[]>(tensor: Tensor<S>, ...names: NoInfer<S>) =>
    expect(tensor.names).toEqual(names);
  traced((x, { up, table, norm, attention }, tokens) => {
    const turned = x.transpose('sequence batch microbatch dim');
    has(turned, 'sequence', 'batch', 'microbatch', 'dim');
    has(norm.forward(turned), 'sequence', 'batch', 'microbatch', 'dim');
    has(attention.forward(x), 'microbatch', 'batch', 'sequence', 'dim');
    const first = x.transpose('dim sequence batch microbatch');
    has(up.forward(first).apply('gelu'), 'sequence', 'batch', 'microbatch', 'hidden');
    has(new nn.Dropout({ rate: 0.5 }).forward(turned), 'sequence', 'batch', 'microbatch', 'dim');
    const [w, position] = [table.tensor(x), nn.positionsOf(tokens)];
    has(w, 'hidden', 'dim');
    has(position, 'sequence');
    // The widest operand's come first; of equally wide ones the first's.
    has(position.cast('f32').mul(w), 'hidden', 'dim', 'sequence');
    has(w.add(position.cast('f32')).sum('hidden'), 'dim', 'sequence');
    const later = position.ge(position.rename({ sequence: 'key' }));
    has(later, 'sequence', 'key');
    has(later.where(w, x), 'microbatch', 'batch', 'sequence', 'dim', 'key', 'hidden');
    has(later.where(w, w.mul(2)), 'sequence', 'key', 'hidden', 'dim');
    has(x.unstack('batch')[0], 'microbatch', 'sequence', 'dim');
    has(position.stack([position], 'two', 'two sequence'), 'two', 'sequence');
    has(position.oneHot('place', 3), 'sequence', 'place');
    has(x.einsum([w], ['hidden', 'sequence']), 'hidden', 'sequence');
  });
});

test('what the checker takes for ops that keep their operand are such', () => {
  const keeping = [...ops.values()].filter(({ name, signature, summary }) => {
    if (name.endsWith('_backward') || summary === undefined) return false;
    const [x] = signature?.operands ?? [];
    const [y] = signature?.results ?? [];
    // What a tensor has methods for is known by those.
    return signature ? x.letters.join() === 't' && y.letters.join() === 't' : ['cos', 'sin'].includes(name);
  });
  expect(keepingOps).toEqual(
    keeping
      .map(({ name }) => name)
      .filter((name) => name !== 'adamw')
      .sort(),
  );
});

test('renaming a factor that is not there is refused with what there is', () => {
  const name: string = 'sequnce';
  expect(() => traced((x) => x.rename({ [name]: 'key' }))).toThrow(/'sequnce'[^]*sequence/);
});
