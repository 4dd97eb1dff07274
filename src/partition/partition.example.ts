import type { Graph } from '../ir/graph.js';
import { parseGraph } from '../ir/parse.js';
import { printGraph } from '../ir/print.js';
import { ops } from '../ops/index.js';
import type { PassExample } from '../passes/example.js';
import { meshesOf, type Plan } from '../plan/plan.js';
import { bucketsOf, type Bucket } from './buckets.js';
import { defaultCosts, reshardSearches } from './costs.js';
import { parametersIn, parsePlan, placeStep, placeUpdate, placeWhole, printBlocks } from './example.js';
import { packGradients } from './pack_gradients.js';
import type { PlacedGraph } from './placed.js';
import { homesOf } from './placement.js';
import { printBuckets } from './print_buckets.js';

interface Given {
  readonly plan: Plan;
  readonly graph: Graph;
}

interface Written {
  readonly title: string;
  readonly about: string;
  readonly plan: string;
  readonly graph: string;
  /** Where the graph is an update: the step whose gradients it reads. */
  readonly step?: string;
}

function partitionExample({ title, about, plan, graph, step }: Written): PassExample<Given, PlacedGraph> {
  const buckets = (given: Given) => (step ? bucketsLeftBy(given.plan, parseGraph(step, ops)) : []);
  return {
    pass: 'partition',
    title,
    about,
    given: () => ({ plan: parsePlan(plan), graph: parseGraph(graph, ops) }),
    run: (given) =>
      step
        ? placeUpdate(given.plan, packedStep(given.plan, parseGraph(step, ops)), given.graph, buckets(given))
        : placeWhole(given.plan, given.graph),
    before: (given) => [
      { heading: 'Plan', text: plan },
      ...(step ? [{ heading: 'What the step leaves', text: printBuckets(buckets(given)) }] : []),
      { heading: 'Before', text: printGraph(given.graph) },
    ],
    after: printBlocks,
  };
}

const bucketsLeftBy = (plan: Plan, step: Graph): readonly Bucket[] =>
  bucketsOf(plan, ops, step, homesOf(plan, step), parametersIn(step));

function packedStep(plan: Plan, step: Graph): PlacedGraph {
  const reshards = reshardSearches(meshesOf(plan), defaultCosts());
  return packGradients(placeStep(plan, step), bucketsLeftBy(plan, step), {
    registry: ops,
    reshards,
    axes: plan.zero.axes,
  });
}

export const partitionExamples: readonly PassExample<Given, PlacedGraph>[] = [
  {
    title: 'Data parallelism: a gradient is a sum over ranks',
    about:
      'Each rank has some of the rows, so its product is one term of the gradient of the weight. Where it is wanted whole it is ' +
      'all-reduced, once.',
    plan: 'mesh {data: 2}\nrow: data',
    graph: `
      func @gradient(
        %x: data f32[row=5, dim=4],
        %dy: data f32[row=5, hidden=6]
      ) {
        %0 = einsum(%x, %dy) {to=[dim, hidden]} : f32[dim=4, hidden=6]
        return dw=%0
      }`,
  },
  {
    title: 'Megatron’s MLP: columns, then rows',
    about:
      '`hidden` is split in both products, so gelu needs no exchange and the block costs one all-reduce (Shoeybi et al. 2019, §3).',
    plan: 'mesh {tensor: 2}\nhidden: tensor',
    graph: `
      func @mlp(
        %x: data f32[token=8, dim=4],
        %up: parameter f32[dim=4, hidden=16],
        %down: parameter f32[hidden=16, dim=4]
      ) {
        %0 = einsum(%x, %up) {to=[token, hidden]} : f32[token=8, hidden=16]
        %1 = gelu(%0) {exact=false} : f32[token=8, hidden=16]
        %2 = einsum(%1, %down) {to=[token, dim]} : f32[token=8, dim=4]
        return y=%2
      }`,
  },
  {
    title: 'Sequence parallelism: the residual stream split by tokens',
    about:
      'Between the blocks every rank has some of the tokens, so norms and additions are not repeated on all of them. The all-reduce of ' +
      'the block becomes an all-gather before it and a reduce-scatter after it, of the same bytes (Korthikanti et al. 2022, §4.2.2).',
    plan: 'mesh {tensor: 2}\nsequence: tensor\nhidden: tensor',
    graph: `
      func @block(
        %x: data f32[batch=8, sequence=256, dim=1024],
        %gain: parameter f32[dim=1024],
        %up: parameter f32[dim=1024, hidden=4096],
        %down: parameter f32[hidden=4096, dim=1024]
      ) {
        %0, %1 = rms_norm(%x, %gain) {eps=1e-5} : f32[batch=8, sequence=256, dim=1024], f32[batch=8, sequence=256]
        %2 = einsum(%0, %up) {to=[batch, sequence, hidden]} : f32[batch=8, sequence=256, hidden=4096]
        %3 = gelu(%2) {exact=false} : f32[batch=8, sequence=256, hidden=4096]
        %4 = einsum(%3, %down) {to=[batch, sequence, dim]} : f32[batch=8, sequence=256, dim=1024]
        %5 = add(%x, %4) : f32[batch=8, sequence=256, dim=1024]
        return y=%5
      }`,
  },
  {
    title: 'Attention: each rank some of the heads',
    about:
      'One product makes queries, keys and values, `(qkv heads head_dim)`: half of the heads is half of each of the three. Seven heads ' +
      'over two ranks are cut five and two. The block costs one all-reduce.',
    plan: 'mesh {tensor: 2}\nheads: tensor[0,5,7]',
    graph: `
      func @attention(
        %x: data f32[batch=2, sequence=8, dim=14],
        %qkv: parameter f32[(qkv=3 heads=7 head_dim=2), dim=14],
        %output: parameter f32[dim=14, (heads=7 head_dim=2)]
      ) {
        %0 = einsum(%x, %qkv) {to=[batch, sequence, qkv, heads, head_dim]} : f32[batch=2, sequence=8, (qkv=3 heads=7 head_dim=2)]
        %1, %2, %3 = unstack(%0) {factor=qkv} : f32[batch=2, sequence=8, (heads=7 head_dim=2)], f32[batch=2, sequence=8, (heads=7 head_dim=2)], f32[batch=2, sequence=8, (heads=7 head_dim=2)]
        %4, %5 = attention(%1, %2, %3) {causal=true, letters=["b=batch", "s=sequence", "t=sequence", "g=heads", "r=", "d=head_dim"]} : f32[batch=2, sequence=8, heads=7, head_dim=2], f32[batch=2, sequence=8, heads=7]
        %6 = einsum(%4, %output) {to=[batch, sequence, dim]} : f32[batch=2, sequence=8, dim=14]
        return y=%6
      }`,
  },
  {
    title: 'Embedding: each rank some of the words',
    about: 'A rank looks up the words that it has and takes zero for the others; the sum over ranks is the embedding.',
    plan: 'mesh {tensor: 4}\nvocab: tensor',
    graph: `
      func @embedding(
        %table: parameter f32[vocab=8191, dim=384],
        %tokens: data i32[batch=8, sequence=256]
      ) {
        %0 = gather(%table, %tokens) {by=[vocab], to=[batch, sequence, dim]} : f32[batch=8, sequence=256, dim=384]
        %1 = relu(%0) : f32[batch=8, sequence=256, dim=384]
        return y=%1
      }`,
  },
  {
    title: 'Cross-entropy over a split vocabulary',
    about:
      'The fused kernel needs the vocabulary whole. Where the head is split by `vocab` its decomposition runs instead: three ' +
      'all-reduces of one number a token (a maximum, a sum of exponentials, the label’s logit), and the logits never leave their rank.',
    plan: 'mesh {tensor: 4}\nvocab: tensor',
    graph: `
      func @loss(
        %x: data f32[token=2048, dim=384],
        %labels: data i32[token=2048],
        %head: parameter f32[vocab=8191, dim=384]
      ) {
        %0 = einsum(%x, %head) {to=[token, vocab]} : f32[token=2048, vocab=8191]
        %1, %2 = softmax_cross_entropy(%0, %labels) {letters=["v=vocab"]} : f32[token=2048], f32[token=2048]
        %3 = einsum(%1) {to=[]} : f32[]
        return loss=%3
      }`,
  },
  {
    title: 'ZeRO-1: the update is split over the data ranks',
    about:
      'The gradient comes as a sum over `data`, in a bucket that is cut between any two elements: fifteen and zeros behind them make two ' +
      'parts of 64 bytes. The optimizer’s state lies in those parts, so the gradient is reduce-scattered into them, each rank updates its part, and the new ' +
      'weights are gathered (Rajbhandari et al. 2020, §5.1). Bytes are those of the all-reduce that it replaces.',
    plan: 'mesh {data: 2}\ntoken: data\nzero 1 over data',
    step: `
      func @step(
        %w: parameter f32[rows=5, cols=3],
        %x: data f32[token=4, rows=5],
        %dy: data f32[token=4, cols=3]
      ) {
        %0 = einsum(%x, %w) {to=[token, cols]} : f32[token=4, cols=3]
        %1 = einsum(%x, %dy) {to=[rows, cols]} : f32[rows=5, cols=3] ; - backward - from 0
        return y=%0, gradient of w=%1
      }`,
    graph: `
      func @update(
        %bucket.0: parameter f32[elements=32],
        %optimizer.exp_avg.bucket.0: state exp_avg of bucket.0 f32[elements=32],
        %optimizer.exp_avg_sq.bucket.0: state exp_avg_sq of bucket.0 f32[elements=32],
        %gradient.bucket.0: gradient of bucket.0 f32[elements=32],
        %lr: scalar f32[]
      ) {
        %0, %1, %2 = adamw(%bucket.0, %gradient.bucket.0, %optimizer.exp_avg.bucket.0, %optimizer.exp_avg_sq.bucket.0, %lr, %lr, %lr, %lr, %lr) {beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0} : f32[elements=32], f32[elements=32], f32[elements=32] ; bucket.0 update optimizer
        return parameter of bucket.0=%0, state exp_avg of bucket.0=%1, state exp_avg_sq of bucket.0=%2
      }`,
  },
].map(partitionExample);
