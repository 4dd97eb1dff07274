import { GraphBuilder } from '../ir/builder.js';
import type { Graph } from '../ir/graph.js';
import { gradientRole } from '../ir/role.js';
import { ops } from '../ops/index.js';
import { gradients } from './autodiff.js';
import { graphExample } from './example.js';

export const autodiffExample = graphExample({
  pass: 'autodiff',
  title: 'The gradient of one product',
  about:
    'The forward stays as it is; the gradient is appended in the same ops, from the loss back. `from` names the forward node that a ' +
    'backward node differentiates: it will inherit that node’s assignment. An op gives the gradients of all its operands, so the one of ' +
    '`%x` is made too, which nobody asked for; `eliminate_dead_code` drops it.',
  registry: ops,
  graph: `
    func @layer(
      %x: data f64[row=2, dim=3],
      %w: parameter f64[dim=3, hidden=4]
    ) {
      %0 = einsum(%x, %w) {to=[row, hidden]} : f64[row=2, hidden=4]
      %1 = exp(%0) : f64[row=2, hidden=4]
      %2 = einsum(%1) {to=[]} : f64[]
      return loss_sum=%2
    }`,
  run: differentiate,
});

export const sumOfContributions = graphExample({
  pass: 'autodiff',
  title: 'A value with two readers',
  about:
    'Σ w · exp w. Each reader of `%w` contributes to its gradient, the last reader first, and the contributions are added. The sum ' +
    'belongs to the value, not to one of its readers: it has no `from`.',
  registry: ops,
  graph: `
    func @twice(
      %w: parameter f64[dim=3]
    ) {
      %0 = exp(%w) : f64[dim=3]
      %1 = einsum(%w, %0) {to=[]} : f64[]
      return loss_sum=%1
    }`,
  run: differentiate,
});

/** Adds the gradient of `loss_sum` with respect to every parameter. */
function differentiate(graph: Graph): Graph {
  const builder = GraphBuilder.resume(ops, graph);
  const loss = builder.tensor(graph.outputs.find(({ name }) => name === 'loss_sum')!.value);
  const parameters = graph.inputs.filter(({ kind }) => kind === 'parameter');
  builder.phase('backward', () => {
    const seeds = [{ value: loss, cotangent: loss.constant(1) }];
    const wrt = parameters.map(({ value }) => builder.tensor(value));
    gradients(builder, seeds, wrt).forEach((gradient, i) =>
      builder.output(gradientRole(parameters[i].name), gradient!),
    );
  });
  return builder.build();
}
