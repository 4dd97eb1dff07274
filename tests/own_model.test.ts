import { expect, test } from 'vitest';
import model from '../examples/own_model.js';
import { typeOf } from '../src/ir/graph.js';
import { shapeOf } from '../src/ir/type.js';
import { traceTraining } from '../src/passes/trace_training.js';

test('a model of a page trains like any other: every parameter has a gradient of its shape', () => {
  const { graph, parameters } = traceTraining(model, { batch: 2, sequence: 16 });
  expect(parameters.map((p) => p.name)).toContain('blocks.1.attention.qkv.weight');
  for (const { name, type } of parameters) {
    const gradient = typeOf(graph, graph.outputs.find((output) => output.name === `gradient.${name}`)!.value);
    expect(gradient.dims.flat(), name).toEqual(type.dims.flat());
    expect(shapeOf(gradient).length).toBeGreaterThanOrEqual(shapeOf(type).length);
  }
});
