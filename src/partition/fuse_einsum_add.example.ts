import { ops } from '../ops/index.js';
import { placedExample } from './example.js';
import { fuseEinsumAdd } from './fuse_einsum_add.js';

export const fuseEinsumAddExample = placedExample({
  pass: 'fuse_einsum_add',
  title: 'Two linear layers, split as in Megatron',
  about:
    'The first bias joins its product: one kernel, one pass over the result. The second cannot: its product is still a sum over ' +
    '`tensor`, and the bias would be added once by every rank.',
  plan: 'mesh {tensor: 2}\nhidden: tensor',
  graph: `
    func @mlp(
      %x: data f32[token=8, dim=4],
      %up: parameter f32[dim=4, hidden=16],
      %up.bias: parameter f32[hidden=16],
      %down: parameter f32[hidden=16, dim=4],
      %down.bias: parameter f32[dim=4]
    ) {
      %0 = einsum(%x, %up) {to=[token, hidden]} : f32[token=8, hidden=16]
      %1 = add(%0, %up.bias) : f32[token=8, hidden=16]
      %2 = relu(%1) : f32[token=8, hidden=16]
      %3 = einsum(%2, %down) {to=[token, dim]} : f32[token=8, dim=4]
      %4 = add(%3, %down.bias) : f32[token=8, dim=4]
      return y=%4
    }`,
  run: (graph) => fuseEinsumAdd(graph, ops, () => true),
});
