import type { Graph } from '../ir/graph.js';
import { parseGraph } from '../ir/parse.js';
import { ops } from '../ops/index.js';
import type { PassExample } from '../passes/example.js';
import type { Plan } from '../plan/plan.js';
import { bucketsOf, type Bucket } from './buckets.js';
import { parametersIn, parsePlan, placeStep, printBlocks } from './example.js';
import { homesOf } from './placement.js';
import { printBuckets } from './print_buckets.js';

interface Given {
  readonly plan: Plan;
  readonly graph: Graph;
}

const plan = 'mesh {data: 2}\nrow: data\nzero 1 over data';

export const bucketsExample: PassExample<Given, readonly Bucket[]> = {
  pass: 'buckets',
  title: 'Two layers under ZeRO-1',
  about:
    'Each gradient is a sum over `data`. The two matrices become one flat value, in the order in which the backward completes their ' +
    'gradients: one collective reduces both and one kernel updates them. Its 32 elements are cut in the middle for the optimizer’s ' +
    'state, through the matrix `down`. The vector lies in a bucket of its own, since weight decay treats it apart.',
  given: () => ({ plan: parsePlan(plan), graph: parseGraph(step, ops) }),
  run: ({ plan, graph }) => bucketsOf(plan, ops, graph, homesOf(plan, graph), parametersIn(graph)),
  before: (given) => [
    { heading: 'Plan', text: plan },
    { heading: 'Before', text: printBlocks(placeStep(given.plan, given.graph)) },
  ],
  after: printBuckets,
};

const step = `
  func @step(
    %up: parameter f32[dim=3, hidden=4],
    %bias: parameter f32[hidden=4],
    %down: parameter f32[hidden=4, out=5],
    %x: data f32[row=8, dim=3],
    %dy: data f32[row=8, out=5]
  ) {
    %0 = einsum(%x, %up) {to=[row, hidden]} : f32[row=8, hidden=4]
    %1 = add(%0, %bias) : f32[row=8, hidden=4]
    %2 = einsum(%1, %down) {to=[row, out]} : f32[row=8, out=5]
    %3 = einsum(%1, %dy) {to=[hidden, out]} : f32[hidden=4, out=5] ; - backward - from 2
    %4 = einsum(%dy, %down) {to=[row, hidden]} : f32[row=8, hidden=4] ; - backward - from 2
    %5 = einsum(%4) {to=[hidden]} : f32[hidden=4] ; - backward - from 1
    %6 = einsum(%x, %4) {to=[dim, hidden]} : f32[dim=3, hidden=4] ; - backward - from 0
    return y=%2, gradient of down=%3, gradient of bias=%5, gradient of up=%6
  }`;
