import { placedExample } from './example.js';
import { recompute } from './recompute.js';

export const recomputeExample = placedExample({
  pass: 'recompute',
  title: 'A hidden layer that is not kept for the backward',
  about:
    'The backward reads `exp`. It is made again from `x` and the weight, right before they are read: from the forward ' +
    'to the backward nothing is kept but data. The product is repeated as it was placed, and so is the all-reduce of its sum.',
  plan: 'mesh {tensor: 2}\ndim: tensor',
  graph: `
    func @step(
      %x: data f32[token=8, dim=4],
      %up: parameter f32[dim=4, hidden=16],
      %dy: data f32[token=8, hidden=16]
    ) {
      %0 = einsum(%x, %up) {to=[token, hidden]} : f32[token=8, hidden=16] ; up forward model
      %1 = exp(%0) : f32[token=8, hidden=16] ; up forward model
      %2 = einsum(%1) {to=[]} : f32[] ; loss forward model
      %3 = einsum(%dy, %1) {to=[token, hidden]} : f32[token=8, hidden=16] ; up backward model
      %4 = einsum(%x, %3) {to=[dim, hidden]} : f32[dim=4, hidden=16] ; up backward model
      return loss=%2, gradient.up=%4
    }`,
  run: (graph) => recompute(graph, [{ of: '*', made: 'again', keep: 'backward', ops: 'all' }], () => 0),
});
