import { ops } from '../ops/index.js';
import { graphExample } from './example.js';
import { ringAttention } from './ring_attention.js';

export const ringAttentionExample = graphExample({
  pass: 'ring_attention',
  title: 'Two ranks that share a sequence',
  about:
    'Attention becomes two steps. In the first each half of the queries meets the same half of the keys, in the second the other one. Of each ' +
    'step there is an output and the logarithm of the sum that it was divided by; by these the outputs are weighed and added. Placed, a ' +
    'step is one launch of the fused kernel on each rank, and between two steps keys and values go to the neighbour.',
  registry: ops,
  graph: `
    func @attention(
      %q: data f32[batch=1, sequence=4, heads=2, head_dim=2],
      %k: data f32[batch=1, sequence=4, heads=2, head_dim=2],
      %v: data f32[batch=1, sequence=4, heads=2, head_dim=2]
    ) {
      %0, %1 = attention(%q, %k, %v) {causal=true, letters=["b=batch", "s=sequence", "t=sequence", "g=heads", "r=", "d=head_dim"], scale=0} : f32[batch=1, sequence=4, heads=2, head_dim=2], f32[batch=1, sequence=4, heads=2] ; - forward model
      return o=%0
    }`,
  run: (graph) => ringAttention(graph, ops, () => 2),
});
