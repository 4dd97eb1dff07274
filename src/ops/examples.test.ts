import { expect, test } from 'vitest';
import { slotNames } from '../ir/op.js';
import { evaluate } from './evaluate.js';
import { exampleGraph, flatten } from './example.js';
import { ops } from './index.js';

const backwards = (name: string) => name.endsWith('_backward');

test.each([...ops.values()].filter((op) => !backwards(op.name)).map((op) => [op.name, op] as const))(
  'the worked example of %s holds',
  (_, op) => {
    const { graph, inputs } = exampleGraph(op, ops)!;
    const { outputs } = evaluate(graph, inputs);
    expect(Object.keys(outputs)).toEqual(slotNames(op.results, graph.nodes[0].outputs.length));
    expect(Object.keys(op.example!.gives)).toEqual(Object.keys(outputs));
    for (const [name, value] of Object.entries(op.example!.gives)) {
      const wanted = flatten(value);
      expect(outputs[name].length, name).toBe(wanted.length);
      wanted.forEach((w, i) =>
        expect(Math.abs(outputs[name][i] - w), `${name}[${i}]`).toBeLessThanOrEqual(1e-14 * Math.max(1, Math.abs(w))),
      );
    }
  },
);

test('every op says what it computes, except backward ops, which their forward explains', () => {
  const silent = [...ops.values()].filter((op) => !backwards(op.name) && !(op.summary && op.example));
  expect(silent.map((op) => op.name)).toEqual([]);
});
