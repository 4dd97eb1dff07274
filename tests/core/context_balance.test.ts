/** What each rank that shares a sequence has to do for attention, and to send: counted from the launches and moves of long programs. */
import { describe, expect, test } from 'vitest';
import { quoteTraining } from '../../src/compile/quote.js';
import { dtypeBytes } from '../../src/ir/dtype.js';
import { localType } from '../../src/ir/layout.js';
import { coordinatesOf } from '../../src/ir/mesh.js';
import { operandLayout, originsOf, resultLayout } from '../../src/ir/rule.js';
import { namesOf } from '../../src/ir/type.js';
import { nativeChoice } from '../../src/kernels/native.js';
import { contiguous, type KernelLaunchSpec } from '../../src/kernels/site.js';
import { Llama } from '../../src/nn/models/index.js';
import { ops } from '../../src/ops/index.js';
import { adamw } from '../../src/optim/index.js';
import { workByGroup } from '../../src/partition/work.js';
import { placedUses, type PlacedGraph, type PlacedOp } from '../../src/partition/placed.js';
import { describeModel } from '../../src/plan/describe_model.js';
import { contextBalancers, planOfSizes, type ParallelSizes } from '../../src/plan/parallel_sizes.js';
import { contextMethods, type ContextMethod } from '../../src/plan/context_methods.js';
import { lowerMove } from '../../src/reshard/lower.js';

const heads = 8;
const width = 16;

function placed(context: number, ranks: number, sizes: ParallelSizes, kv_heads = heads): PlacedGraph {
  const model = new Llama({ layers: 1, dim: heads * width, heads, kv_heads, hidden: 32, context, vocab: 32 });
  const batch = { sequences: 1, microbatch: 1 };
  const asked = { context_parallel_size: ranks, ...sizes };
  const plan = planOfSizes(asked, ranks, describeModel(model), batch, { compute: 'bf16', master: 'f32' });
  const options = { model, plan, sequence: context, registry: ops, target: 'cpu', optimizer: adamw({ lr: 1e-3 }) };
  return quoteTraining({ ...options, target: 'cpu' }).placed.step;
}

/** Pairs of a query and a key that a launch of attention multiplies: those that its mask leaves, whatever blocks it takes them in. */
function pairsOf({ kernel, operands, attributes }: KernelLaunchSpec): number {
  // Of no keys at all results are filled.
  if (kernel !== 'attention') return 0;
  const [[, queries], [, keys]] = [operands[0].sizes, operands[1].sizes];
  if (attributes.causal === 0) return queries * keys;
  const diagonal = (attributes.query_start as number) - (attributes.key_start as number);
  let pairs = 0;
  for (let i = 0; i < queries; i++) pairs += Math.min(keys, Math.max(0, i + diagonal + 1));
  return pairs;
}

/** By rank, the pairs of one head in the forward. */
function workOf(graph: PlacedGraph, ranks: number): readonly number[] {
  const [mesh] = graph.meshes;
  const steps = graph.steps.filter((step): step is PlacedOp => step.kind === 'op' && step.op === 'attention');
  return Array.from({ length: ranks }, (_, rank) => {
    const at = coordinatesOf(mesh, rank);
    return steps.reduce((sum, { op, rule, attributes, assignment, inputs, outputs }) => {
      const block = (id: number, layout: ReturnType<typeof operandLayout>) =>
        contiguous(localType(mesh, graph.values[id].type, layout, at));
      const site = {
        op,
        rule,
        attributes,
        inputs: inputs.map((id, i) => block(id, operandLayout(rule, assignment, i, namesOf(graph.values[id].type)))),
        outputs: outputs.map((id, i) => block(id, resultLayout(rule, assignment, i, namesOf(graph.values[id].type)))),
        accumulates: outputs.map(() => false),
        sameInputs: false,
        origins: originsOf(rule, assignment, mesh, at),
      };
      const own = nativeChoice(ops, site, 'cpu').launches.reduce((pairs, launch) => pairs + pairsOf(launch), 0);
      // Of the heads that it has.
      const has = [...rule.letters.g, ...rule.letters.r].reduce(
        (n, name) => n * site.inputs[0].sizes[rule.operands[0].indexOf(name)],
        1,
      );
      return sum + (own * has) / heads;
    }, 0);
  });
}

describe.each([2047, 32_768])('a sequence of %i', (context) => {
  test.each([
    ['allgather', 2],
    ['allgather', 3],
    ['allgather', 8],
    ['ring', 2],
    ['ring', 3],
    ['ring', 8],
    ['ulysses', 2],
    ['ulysses', 8],
    ['ulysses+ring', 8],
  ] as const)('%s on %i ranks: all have equally much to do, together what one has', (method, ranks) => {
    // Two heads for each of a ring's four ranks.
    const kv = method === 'ulysses+ring' ? 2 : heads;
    const work = workOf(placed(context, ranks, { context_parallel_method: method }, kv), ranks);
    const serial = (context * (context + 1)) / 2;
    const mean = work.reduce((sum, one) => sum + one, 0) / ranks;
    for (const one of work) expect(Math.abs(one / mean - 1)).toBeLessThan(0.05);
    expect(mean * ranks).toBe(serial);
  });

  const balancersOf = (method: ContextMethod) => (method === 'ulysses' ? [undefined] : contextBalancers);
  test.each(contextMethods.flatMap((method) => balancersOf(method).map((balancer) => [method, balancer] as const)))(
    '%s, %s: what each rank is said to have is what its launches do',
    (method, balancer) => {
      const sizes = { context_parallel_method: method, context_parallel_load_balancer: balancer } as const;
      const graph = placed(context, 8, sizes, method === 'ulysses+ring' ? 2 : heads);
      const steps = graph.steps.filter((step) => step.kind !== 'op' || step.op === 'attention');
      const pairs = workOf(graph, 8);
      const [{ flops, busiestFlops, share }] = workByGroup({ ...graph, steps }, ops);
      const each = heads * (4 * width + 5);
      expect(flops).toBe(each * ((context * (context + 1)) / 2));
      expect(busiestFlops).toBe(each * Math.max(...pairs));
      // Of N runs the last has 2 − 1/N times the mean to do; by ulysses there is one.
      const runs = { ulysses: 1, 'ulysses+ring': 4, ring: 8, allgather: 8 }[method];
      expect(share).toBeCloseTo(balancer === 'none' ? 2 - 1 / runs : 1, 1);
    },
  );

  test('not balanced, the last rank has nearly twice its share', () => {
    const sizes = { context_parallel_method: 'ring', context_parallel_load_balancer: 'none' } as const;
    const work = workOf(placed(context, 8, sizes), 8);
    expect(work[7] / (work.reduce((sum, one) => sum + one, 0) / 8)).toBeCloseTo(15 / 8, 2);
  });
});

/** Bytes that rank 0 sends to others in one direction. */
function sentIn(graph: PlacedGraph, phase: string, kinds: readonly string[]): number {
  const [mesh] = graph.meshes;
  const at = coordinatesOf(mesh, 0);
  const read = placedUses(graph);
  return graph.steps.reduce((bytes, step) => {
    if (step.kind !== 'move' || step.source.phase !== phase || !kinds.includes(step.move.kind)) return bytes;
    if (!step.source.path.startsWith('blocks') || !read.has(step.outputs[0])) return bytes;
    const { type } = graph.values[step.inputs[0]];
    const { collective } = lowerMove(mesh, type, step.move, at);
    const others =
      collective?.kind === 'permute'
        ? collective.inputCounts
        : collective!.inputCounts.filter((_, i) => collective!.group[i] !== 0);
    return bytes + others.reduce((sum, count) => sum + count, 0) * dtypeBytes[type.dtype];
  }, 0);
}

describe('bytes that a rank sends, of a sequence of 4,096 in bf16', () => {
  const context = 4096;

  test.each([2, 4, 8])('ring on %i ranks: keys and values N − 1 times, and once more with their gradients', (ranks) => {
    for (const kv of [heads, 2]) {
      const graph = placed(context, ranks, { context_parallel_method: 'ring' }, kv);
      const part = (context / ranks) * kv * width * 2;
      expect(sentIn(graph, 'forward', ['permute'])).toBe(2 * (ranks - 1) * part);
      expect(sentIn(graph, 'backward', ['permute'])).toBe(4 * (ranks - 1) * part);
    }
  });

  test.each([2, 4, 8])('ulysses on %i ranks: all but its own share of queries, keys, values and results', (ranks) => {
    const graph = placed(context, ranks, { context_parallel_method: 'ulysses' });
    const block = (context / ranks) * heads * width * 2;
    expect(sentIn(graph, 'forward', ['all_to_all'])).toBe(4 * block * (1 - 1 / ranks));
    expect(sentIn(graph, 'backward', ['all_to_all'])).toBe(4 * block * (1 - 1 / ranks));
  });

  test('ulysses within rings: heads among neighbours, and half as many hops', () => {
    const graph = placed(context, 8, { context_parallel_method: 'ulysses+ring' }, 2);
    const [rings, neighbours] = [4, 2];
    const part = (context / rings) * (2 / neighbours) * width * 2;
    expect(sentIn(graph, 'forward', ['permute'])).toBe(2 * (rings - 1) * part);
    const queries = (context / 8) * heads * width * 2;
    const keys = (context / 8) * 2 * width * 2;
    expect(sentIn(graph, 'forward', ['all_to_all'])).toBe((2 * queries + 2 * keys) / 2);
  });
});
