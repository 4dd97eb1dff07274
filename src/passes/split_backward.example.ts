import { ops } from '../ops/index.js';
import { graphExample } from './example.js';
import { splitBackward } from './split_backward.js';

export const splitBackwardExample = graphExample({
  pass: 'split_backward',
  title: 'Two layers of a chunk',
  about:
    'The gradient of the activations goes on to the layer before, which waits for it; the products that give the gradients of the weights ' +
    'are waited for by nobody. After the pass they are of the direction `weight` and stand last: a zero-bubble schedule gives them slots of ' +
    'their own. The gradient of the first activations stays where it is only if a segment before this one reads it; here none does.',
  registry: ops,
  graph: `
    func @layers(
      %w0: parameter f32[dim=4, inner=4],
      %w1: parameter f32[inner=4, out=4],
      %x: data f32[token=2, dim=4],
      %h: data f32[token=2, inner=4],
      %dy: data f32[token=2, out=4]
    ) {
      %0 = einsum(%dy, %h) {to=[inner, out]} : f32[inner=4, out=4] ; - backward blocks.1
      %1 = einsum(%dy, %w1) {to=[token, inner]} : f32[token=2, inner=4] ; - backward blocks.1
      %2 = einsum(%1, %x) {to=[dim, inner]} : f32[dim=4, inner=4] ; - backward blocks.0
      return gradient of w1=%0, gradient of w0=%2
    }`,
  run: (graph) => splitBackward(graph, () => 0, new Set([0])),
});
