import { expect, test } from 'vitest';
import { printGraph } from '../ir/print.js';
import { printType, shapeOf } from '../ir/type.js';
import { typeOf, type Graph } from '../ir/graph.js';
import { Linear } from './linear.js';
import { LanguageModel } from './language_model.js';
import { GPT, Llama } from './models/index.js';
import { Module, Parameter } from './module.js';
import { zeros } from './init.js';
import { traceLogits, traceModel } from './trace.js';
import type { Tensor } from '../ir/tensor.js';

const tiny = { layers: 2, dim: 8, heads: 2, context: 6, vocab: 11 };
const shape = { microbatches: 2, batch: 3, sequence: 5 };
const gpt = (options: { dropout?: number } = {}) => new GPT({ ...tiny, ...options });

/** `path: op op op`, in order of first appearance. */
function opsByPath(graph: Graph): readonly string[] {
  const paths = new Map<string, string[]>();
  for (const { source, op } of graph.nodes) paths.set(source.path, [...(paths.get(source.path) ?? []), op]);
  return [...paths].map(([path, list]) => `${path}: ${list.join(' ')}`);
}

const shapeOfOutput = (graph: Graph, name: string) =>
  shapeOf(typeOf(graph, graph.outputs.find((output) => output.name === name)!.value));

test('nodes carry the path of the module that made them', () => {
  expect(opsByPath(traceModel(new GPT({ ...tiny, layers: 1 }), shape).graph)).toEqual([
    'embedding: gather',
    ': iota add',
    'positions: gather',
    'blocks.0.norm1: layer_norm',
    'blocks.0.attention.qkv: einsum add',
    'blocks.0.attention: unstack attention',
    'blocks.0.attention.output: einsum add',
    'blocks.0: add add',
    'blocks.0.norm2: layer_norm',
    'blocks.0.mlp.up: einsum add',
    'blocks.0.mlp: gelu',
    'blocks.0.mlp.down: einsum add',
    'norm: layer_norm',
    'head: einsum',
    'loss: softmax_cross_entropy fill ge cast einsum einsum',
  ]);
});

// Golden files: a change of the front end shows as a diff of what it traces.
test.each([
  ['gpt', new GPT({ ...tiny, layers: 1, dropout: 0.1 })],
  ['llama', new Llama({ ...tiny, layers: 1, heads: 4, kv_heads: 2, hidden: 12 })],
])('the graph of a %s of one layer reads like its page', async (name, model) => {
  const { graph } = traceModel(model, shape);
  await expect(printGraph(graph)).toMatchFileSnapshot(`../../tests/golden/nn/${name}.txt`);
});

test('segments are the embedding, each block, and the head', () => {
  const segments = traceModel(gpt(), shape).graph.nodes.map((node) => node.source.segment);
  expect(segments.filter((segment, i) => segment !== segments[i - 1])).toEqual([
    'embedding',
    'blocks.0',
    'blocks.1',
    'head',
  ]);
});

test('parameters are inputs under their names and dimensions; a tied head adds none', () => {
  const { graph, parameters } = traceModel(gpt(), shape);
  expect(graph.inputs.filter((input) => input.kind === 'parameter').map((input) => input.name)).toEqual(
    parameters.map((parameter) => parameter.name),
  );
  expect(parameters.find((p) => p.name === 'blocks.0.attention.qkv.weight')).toEqual({
    name: 'blocks.0.attention.qkv.weight',
    type: {
      dtype: 'f32',
      dims: [['qkv', 'heads', 'head_dim'].map((name, i) => ({ name, size: [3, 2, 4][i] })), [{ name: 'dim', size: 8 }]],
    },
    init: { kind: 'normal', std: 0.02 },
  });
});

test('a projection keeps its factors', () => {
  const { graph } = traceModel(gpt(), shape);
  const node = graph.nodes.find(({ source }) => source.path === 'blocks.0.attention.qkv')!;
  expect(printType(typeOf(graph, node.outputs[0]))).toBe(
    'f32[microbatch=2, batch=3, sequence=5, (qkv=3 heads=2 head_dim=4)]',
  );
});

test('grouped heads are two factors of the queries and one of the keys', () => {
  const { parameters } = traceModel(new Llama({ ...tiny, heads: 4, kv_heads: 2, hidden: 12 }), shape);
  const type = (name: string) =>
    printType(parameters.find((p) => p.name === `blocks.0.attention.${name}.weight`)!.type);
  expect(type('q')).toBe('f32[(kv_group=2 group=2 pair=2 frequency=1), dim=8]');
  expect(type('k')).toBe('f32[(kv_group=2 pair=2 frequency=1), dim=8]');
});

test('the graph is the same each time a model is traced', () => {
  const model = gpt({ dropout: 0.1 });
  expect(JSON.stringify(traceModel(model, shape).graph)).toBe(JSON.stringify(traceModel(model, shape).graph));
});

test('dropout reads the run’s randomness in training, and is absent elsewhere', () => {
  const randomness = ['seed', 'step', 'microbatch'];
  const scalars = (graph: Graph) => graph.inputs.map(({ name }) => name).filter((name) => randomness.includes(name));
  const dropouts = (graph: Graph) => graph.nodes.filter((node) => node.op === 'dropout');
  const training = traceModel(gpt({ dropout: 0.1 }), shape).graph;
  expect(scalars(training)).toEqual(randomness);
  expect(new Set(dropouts(training).map((node) => node.attributes.stream)).size).toBe(5);
  const validation = traceModel(gpt({ dropout: 0.1 }), { ...shape, training: false }).graph;
  expect([scalars(validation), dropouts(validation)]).toEqual([[], []]);
});

test('sampling gives the logits after every token', () => {
  const { graph } = traceLogits(gpt(), { batch: 3, sequence: 6 });
  expect(shapeOfOutput(graph, 'logits')).toEqual([1, 3, 6, 11]);
});

test('a linear layer whose output is named like its input keeps the name', () => {
  class Square extends LanguageModel {
    linear = new Linear({ in: { vocab: 11 }, out: { vocab: 11 } });
    forward(tokens: Tensor) {
      return this.linear.forward(tokens.oneHot('vocab', 11));
    }
  }
  const { graph, parameters } = traceModel(new Square({ vocab: 11, context: 6 }), shape);
  expect(printType(parameters[0].type)).toBe("f32[vocab'=11, vocab=11]");
  expect(shapeOfOutput(graph, 'loss_sum')).toEqual([]);
});

test('a linear layer that would repeat a factor of its input is refused', () => {
  class Twice extends LanguageModel {
    linear = new Linear({ in: { vocab: 11 }, out: { batch: 3 } });
    forward(tokens: Tensor) {
      return this.linear.forward(tokens.oneHot('vocab', 11));
    }
  }
  expect(() => traceModel(new Twice({ vocab: 11, context: 6 }), shape)).toThrow(/makes a factor 'batch'/);
});

test('logits without a vocabulary are refused', () => {
  class NoHead extends LanguageModel {
    linear = new Linear({ in: { vocab: 11 }, out: { dim: 11 } });
    forward(tokens: Tensor) {
      return this.linear.forward(tokens.oneHot('vocab', 11));
    }
  }
  expect(() => traceModel(new NoHead({ vocab: 11, context: 6 }), shape)).toThrow(/softmax_cross_entropy/);
});

test('a parameter that no field leads to is named by its shape', () => {
  const hidden = new Parameter({ dims: [{ vocab: 11 }], init: zeros });
  class Lost extends LanguageModel {
    forward(tokens: Tensor) {
      return hidden.tensor(tokens);
    }
  }
  expect(() => traceModel(new Lost({ vocab: 11, context: 6 }), shape)).toThrow(/vocab=11.*no field/);
});

test('a module does nothing outside a traced model but say so', () => {
  class Bare extends Module {
    weight = new Parameter({ dims: [{ vocab: 11 }], init: zeros });
  }
  const { weight } = new Bare({});
  const stray = { builder: { path: '' } } as unknown as Tensor;
  expect(() => weight.tensor(stray)).toThrow(/no traced model/);
});

test('a sequence longer than the context is refused', () => {
  expect(() => traceModel(gpt(), { batch: 1, sequence: 7 })).toThrow(/context of 6/);
});
