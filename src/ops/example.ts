/** Worked examples as graphs: their tests, and the pages made of them. */
import { GraphBuilder } from '../ir/builder.js';
import type { DType } from '../ir/dtype.js';
import type { Graph } from '../ir/graph.js';
import { slotNames, type Nested, type OpDefinition, type OpRegistry } from '../ir/op.js';
import { tensorType, type FactorName } from '../ir/type.js';

export interface ExampleGraph {
  /** One op; inputs and outputs are named as its operands and results. */
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, Float64Array>>;
}

/** The op's worked example as a graph of one node. Null where the op has none. */
export function exampleGraph(op: OpDefinition, registry: OpRegistry): ExampleGraph | null {
  const { example } = op;
  if (!example) return null;
  const builder = new GraphBuilder(registry, 'example');
  const slots = slotNames(op.operands, Object.keys(example.given).length);
  const operands = slots.map((slot) => {
    const value = example.given[slot];
    const sizes = nestedShape(value);
    const names = operandNames(op, slot);
    const factors = Object.fromEntries(names.map((name, i) => [name, sizes[i]]));
    return builder.input(slot, 'data', tensorType(operandDtype(op, slot), factors));
  });
  const results = builder.apply(op.name, operands, example.attributes);
  const resultNames = slotNames(op.results, results.length);
  results.forEach((result, i) => builder.output(resultNames[i], result));
  const inputs = Object.fromEntries(slots.map((slot) => [slot, flatten(example.given[slot])]));
  return { graph: builder.build(), inputs };
}

/** Row-major elements. */
export const flatten = (value: Nested): Float64Array =>
  Float64Array.from(typeof value === 'number' ? [value] : (value as readonly Nested[]).flatMap((v) => [...flatten(v)]));

function nestedShape(value: Nested): readonly number[] {
  return typeof value === 'number' ? [] : [value.length, ...nestedShape(value[0])];
}

/** A factor for each letter, unless the example names them. */
export function operandNames(op: OpDefinition, slot: string): readonly FactorName[] {
  const given = op.example?.names?.[slot];
  if (given !== undefined) return given.split(' ').filter(Boolean);
  return op.signature?.operands.find(({ name }) => name === slot)?.letters ?? [];
}

function operandDtype(op: OpDefinition, slot: string): DType {
  const given = op.example?.dtypes?.[slot];
  if (given) return given;
  const kind = op.signature?.operands.find(({ name }) => name === slot)?.class;
  return kind === 'int' ? 'i64' : kind === 'bool' ? 'bool' : 'f64';
}
