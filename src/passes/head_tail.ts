/**
 * Sequences stored head-tail (`ir/head_tail.ts`): under a causal mask ranks that share a sequence then have equally much to do.
 *
 * Data come in their own order and are brought into the other once, as small integers; what is given out of a sequence goes back. In
 * between, whatever knows of positions is told that these are stored in runs: masks, tables of positions, random numbers. What needs
 * a sequence whole and in its own order, such as a running sum, has it so. Of a sequence that is cut in groups the groups are stored in that
 * order, where each is of a head or a tail; else it is cut in its own order. Attention over gathered keys has these in their own order, so that
 * the keys that a run of queries sees are one run; a ring has them as they are stored. After precision, before the plan is applied.
 */
import type { Attributes, Graph, Node, Source, ValueId } from '../ir/graph.js';
import { readersOf } from '../ir/graph.js';
import type { OpRegistry } from '../ir/op.js';
import type { Tensor } from '../ir/tensor.js';
import type { OpRule } from '../ir/rule.js';
import { namesOf, withoutPrimes, type FactorName } from '../ir/type.js';
import { isAttention } from './attention_nodes.js';
import { GraphRewrite } from './graph_rewrite.js';

export interface StoredOrder {
  /** The factor of positions. */
  readonly factor: FactorName;
  readonly ranks: number;
  /** Whether attention has all keys at once. */
  readonly gathersKeys: boolean;
}

export const headTail = (graph: Graph, registry: OpRegistry, order: StoredOrder | null): Graph =>
  order ? new Rewrite(graph, registry, order).run() : graph;

class Rewrite extends GraphRewrite {
  private readonly order: StoredOrder;
  /** Factors that are stored so: positions, and groups of them. */
  private readonly ordered: ReadonlySet<FactorName>;

  constructor(graph: Graph, registry: OpRegistry, order: StoredOrder) {
    super(graph, registry);
    this.order = order;
    this.ordered = new Set([order.factor, ...groupsStored(graph, order)]);
  }

  protected override readInputs(): void {
    const readers = readersOf(this.graph);
    for (const { value } of this.graph.inputs) {
      const [reader] = readers(value);
      if (reader && this.nameIn(value) !== undefined)
        this.values[value] = this.reordered(this.values[value], false, reader.source).id;
    }
  }

  protected override output(value: ValueId): Tensor {
    const { node } = this.graph.values[value];
    if (!node || this.nameIn(value) === undefined) return super.output(value);
    return this.reordered(this.values[value], true, node.source);
  }

  protected rewrite(node: Node): readonly Node[] {
    const { ranks, gathersKeys } = this.order;
    const { op, rule, attributes } = node;
    const [own, key] = Object.keys(rule.factors).filter((name) => this.isOrdered(name));
    if (own === undefined) return [this.copy(node)];
    const cut = cutOf(rule);
    if (cut && this.isOrdered(cut.one) !== this.isOrdered(cut.major)) return this.within(node, attributes, cut.one);
    if (isAttention(node)) {
      const inOrder = { ...attributes, head_tail: ranks };
      return gathersKeys ? this.within(node, inOrder, key) : [this.copy(node, inOrder)];
    }
    if (op === 'iota') return [this.copy(node, { ...attributes, head_tail: ranks })];
    if (rule.origins.includes(own)) return [this.copy(node, { ...attributes, ordered: own, head_tail: ranks })];
    return rule.factors[own].whole ? this.within(node, attributes, own) : [this.copy(node)];
  }

  /** A node that has the operands with a factor in their own order, and gives the results with it so. */
  private within(node: Node, attributes: Attributes, factor: FactorName): readonly Node[] {
    const { rule, source, inputs, outputs } = node;
    const given = inputs.map((id, i) =>
      rule.operands[i].includes(factor) ? this.reordered(this.values[id], true, source).id : this.values[id],
    );
    const types = outputs.map((id) => this.graph.values[id].type);
    const made = this.builder.push({ ...node, inputs: given, attributes, from: this.forwardOf(node, 0) }, types);
    outputs.forEach((id, i) => {
      const result = made.outputs[i];
      this.values[id] = rule.results[i].includes(factor) ? this.reordered(result, false, source).id : result;
    });
    return [made];
  }

  private reordered(value: ValueId, back: boolean, source: Source): Tensor {
    const { builder } = this;
    const tensor = builder.tensor(value);
    const factor = tensor.names.find((name) => this.isOrdered(name))!;
    const apply = () => tensor.apply('reorder', [], { factor, head_tail: this.order.ranks, back });
    return builder.at(source, apply, null);
  }

  /** By which name a value has the positions; undefined: it has none. */
  private nameIn(value: ValueId): FactorName | undefined {
    return namesOf(this.graph.values[value].type).find((name) => this.isOrdered(name));
  }

  /** Of two that meet, and in what follows from the second, one has a prime. */
  private isOrdered(name: FactorName): boolean {
    return this.ordered.has(withoutPrimes(name));
  }
}

/** The factor that a rule has in one piece and in two, and the major one of these; null where it has none. */
function cutOf({ factors }: OpRule): { readonly one: FactorName; readonly major: FactorName } | null {
  const one = Object.keys(factors).find((name) => factors[name].tied && factors[factors[name].tied.to].even);
  return one === undefined ? null : { one, major: factors[one].tied!.to };
}

/** What sequences are cut in, where all that are cut in it are so in groups of which as many are of heads as of tails on each rank. */
function groupsStored({ nodes }: Graph, { factor, ranks }: StoredOrder): readonly FactorName[] {
  const cuts = nodes.flatMap(({ rule }) => {
    const cut = cutOf(rule);
    return cut && withoutPrimes(cut.one) === factor ? [{ name: cut.major, size: rule.factors[cut.major].size }] : [];
  });
  const unfit = new Set(cuts.flatMap(({ name, size }) => (size % (2 * ranks) === 0 ? [] : [name])));
  return cuts.flatMap(({ name }) => (unfit.has(name) ? [] : [name]));
}
