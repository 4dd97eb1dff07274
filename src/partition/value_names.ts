/** Names of placed values: unique within their graph, and made of where a value comes from. */
import type { GraphBuilder } from '../ir/builder.js';
import type { Graph, ValueId } from '../ir/graph.js';
import { opOf, slotNames } from '../ir/op.js';

/** `blocks.0.attention.qkv/einsum%17`, `blocks.0.norm/layer_norm.mean'%40`: a graph's inputs keep their names. */
export class ValueNames {
  private readonly builder: GraphBuilder;
  private readonly inputs: ReadonlyMap<ValueId, string>;

  constructor(builder: GraphBuilder, { inputs }: Pick<Graph, 'inputs'>) {
    this.builder = builder;
    this.inputs = new Map(inputs.map(({ value, name }) => [value, name]));
  }

  of(value: ValueId): string {
    const { node } = this.builder.valueAt(value);
    if (!node) return this.inputs.get(value) ?? `%${value}`;
    const { op, outputs, source } = node;
    const names = slotNames(opOf(this.builder.registry, node).results, outputs.length);
    const result = outputs.length > 1 ? `.${names[outputs.indexOf(value)]}` : '';
    const phase = source.phase === 'backward' ? "'" : '';
    return `${inOneWord(source.path)}/${op}${result}${phase}%${value}`;
  }
}

/** A module path within the names of values: names of modules are anything, and those of values must not be equal. */
const inOneWord = (path: string): string => (/[\s"%]/.test(path) ? JSON.stringify(path) : path);
