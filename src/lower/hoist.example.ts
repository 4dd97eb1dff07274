import { placedExample } from '../partition/example.js';
import { hoistMoves } from './hoist.js';

export const hoistExample = placedExample({
  pass: 'hoist',
  title: 'A sum that is under way while the next product runs',
  about:
    'Partitioning lists a reshard where it is asked for, here before each `relu`. Hoisted, the first all-reduce starts as soon as its ' +
    'product is there and goes on, on its own lane, while the second product is computed.',
  plan: 'mesh {tensor: 2}\nhidden: tensor',
  graph: `
    func @pair(
      %x: data f32[token=8, hidden=4],
      %a: parameter f32[hidden=4, dim=4],
      %b: parameter f32[hidden=4, dim=4]
    ) {
      %0 = einsum(%x, %a) {to=[token, dim]} : f32[token=8, dim=4]
      %1 = einsum(%x, %b) {to=[token, dim]} : f32[token=8, dim=4]
      %2 = relu(%0) : f32[token=8, dim=4]
      %3 = relu(%1) : f32[token=8, dim=4]
      return left=%2, right=%3
    }`,
  run: (graph) => ({ ...graph, steps: hoistMoves(graph, graph.steps) }),
});
