import { expect, test } from 'vitest';
import type { Graph } from '../ir/graph.js';
import { LanguageModel } from '../nn/language_model.js';
import { Linear } from '../nn/linear.js';
import { GPT, Llama } from '../nn/models/index.js';
import { evaluate } from '../ops/evaluate.js';
import type { Tensor } from '../ir/tensor.js';
import { traceTraining } from './trace_training.js';

const sizes = { layers: 3, dim: 8, heads: 2, context: 6, vocab: 11 };
const shape = { microbatches: 2, batch: 2, sequence: 4 };

/** `from → to: count` of backward values that one segment makes and another reads. */
function crossings(graph: Graph): readonly string[] {
  const counts = new Map<string, Set<number>>();
  for (const node of graph.nodes) {
    if (node.source.phase !== 'backward') continue;
    for (const id of node.inputs) {
      const source = graph.values[id].node?.source;
      if (source?.phase !== 'backward' || source.segment === node.source.segment) continue;
      const edge = `${source.segment} → ${node.source.segment}`;
      counts.set(edge, (counts.get(edge) ?? new Set()).add(id));
    }
  }
  return [...counts].map(([edge, values]) => `${edge}: ${values.size}`);
}

test('one cotangent crosses each cut between segments', () => {
  expect(crossings(traceTraining(new Llama({ ...sizes, hidden: 12 }), shape).graph)).toEqual([
    'head → blocks.2: 1',
    'blocks.2 → blocks.1: 1',
    'blocks.1 → blocks.0: 1',
    'blocks.0 → embedding: 1',
  ]);
});

test('a tied weight also sends its gradient in the head to the embedding', () => {
  expect(crossings(traceTraining(new GPT(sizes), shape).graph)).toEqual([
    'head → blocks.2: 1',
    'blocks.2 → blocks.1: 1',
    'blocks.1 → blocks.0: 1',
    'blocks.0 → embedding: 1',
    'head → embedding: 1',
  ]);
});

test('backward nodes belong to the segment and the module of what they differentiate', () => {
  const { graph } = traceTraining(new GPT(sizes), shape);
  for (const node of graph.nodes) {
    if (node.from === null) continue;
    const { path, segment } = graph.nodes[node.from].source;
    expect(node.source).toEqual({ path, segment, phase: 'backward' });
  }
});

test('a parameter that the loss does not depend on has no gradient, and is told by name', () => {
  class Idle extends LanguageModel {
    used = new Linear({ in: { vocab: 2 }, out: { vocab: 2 }, bias: false });
    idle = new Linear({ in: { dim: 2 }, out: { hidden: 3 } });
    forward(tokens: Tensor) {
      return this.used.forward(tokens.oneHot('vocab', 2));
    }
  }
  const { graph, unusedParameters } = traceTraining(new Idle({ vocab: 2, context: 1 }), { batch: 1, sequence: 1 });
  const { outputs } = evaluate(graph, {
    'used.weight': Float64Array.of(0, 0, 0, 0),
    'idle.weight': new Float64Array(6).fill(1),
    'idle.bias': new Float64Array(3).fill(1),
    tokens: Float64Array.of(0),
    labels: Float64Array.of(1),
  });
  expect(unusedParameters).toEqual(['idle.weight', 'idle.bias']);
  expect(Object.keys(outputs)).toEqual(['loss_sum', 'tokens', 'gradient.used.weight']);
  // Softmax of equal logits less the label's one.
  expect([...outputs['gradient.used.weight']]).toEqual([0.5, 0, -0.5, 0]);
});

test('where no gradient flows to any parameter, training is refused', () => {
  class Still extends LanguageModel {
    weight = new Linear({ in: { vocab: 2 }, out: { vocab: 2 }, bias: false });
    forward(tokens: Tensor) {
      const logits = this.weight.forward(tokens.oneHot('vocab', 2));
      return logits.ge(logits.constant(0)).cast('f32');
    }
  }
  expect(() => traceTraining(new Still({ vocab: 2, context: 1 }), { batch: 1, sequence: 1 })).toThrow(
    'no gradient of the loss flows to any of the 1 parameters [passes/nothing-to-train]',
  );
});
