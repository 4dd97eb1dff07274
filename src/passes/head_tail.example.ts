import { ops } from '../ops/index.js';
import { graphExample } from './example.js';
import { headTail } from './head_tail.js';

export const headTailExample = graphExample({
  pass: 'head_tail',
  title: 'Four positions on two ranks',
  about:
    'Stored head-tail the first rank has positions 0 and 3, the second 1 and 2. Tokens are brought into that order; their positions are counted ' +
    'in it; a running sum has the sequence in its own order, and gives it back so; attention is told how its queries are stored, and has the keys ' +
    'in their own order. A sequence that is cut in groups is so where each rank has as many of the head as of the tail: here, cut in two, it ' +
    'is not, and is brought into its own order first.',
  registry: ops,
  graph: `
    func @model(
      %tokens: data i32[batch=1, sequence=4],
      %q: value f32[batch=1, sequence=4, heads=1, head_dim=2]
    ) {
      %0 = iota() {dtype=i32, names=[sequence], sizes=[4]} : i32[sequence=4] ; - forward model
      %1 = add(%tokens, %0) : i32[batch=1, sequence=4] ; - forward model
      %2 = cumsum(%1) {factor=[sequence]} : i32[batch=1, sequence=4] ; - forward model
      %3, %4 = attention(%q, %q<batch sequence' heads head_dim>, %q<batch sequence' heads head_dim>) {causal=true, letters=["b=batch", "s=sequence", "t=sequence", "g=heads", "r=", "d=head_dim"], scale=0, window=0} : f32[batch=1, sequence=4, heads=1, head_dim=2], f32[batch=1, sequence=4, heads=1] ; - forward model
      %5 = cut(%1) {factor=sequence, names=[group, token], sizes=[2, 2]} : i32[batch=1, group=2, token=2] ; - forward model
      return sums=%2, o=%3, groups=%5
    }`,
  run: (graph) => headTail(graph, ops, { factor: 'sequence', ranks: 2, gathersKeys: true }),
});
