/**
 * Ring attention (Liu et al. 2023): attention in as many steps as ranks share a sequence, each with one part of the keys and values.
 *
 * In step j part i of the queries meets part i + j of the keys. Each rank has one part of each, and between two steps the keys and values
 * go one place round the ring, under the step before. Each step's output is weighed by its log-sum-exp and added; the backward of a step
 * reads the log-sum-exp of all steps, so that its gradients are terms of the whole ones (Dao et al. 2022, B.2), and those of keys and
 * values go home as they are made. After precision, before the plan is applied: taken together, the steps are what attention is.
 */
import type { Graph, Node } from '../ir/graph.js';
import { opOf, type OpRegistry } from '../ir/op.js';
import type { Tensor } from '../ir/tensor.js';
import { isAttention } from './attention_nodes.js';
import { GraphRewrite } from './graph_rewrite.js';

/** `stepsOf`: in how many steps a node is to be taken; 1 leaves it as it is. */
export function ringAttention(graph: Graph, registry: OpRegistry, stepsOf: (node: Node) => number): Graph {
  const rings = new Map(
    graph.nodes.flatMap((node) => (isAttention(node) && stepsOf(node) > 1 ? [[node, stepsOf(node)]] : [])),
  );
  return rings.size === 0 ? graph : new Rewrite(graph, registry, rings).run();
}

class Rewrite extends GraphRewrite {
  private readonly rings: ReadonlyMap<Node, number>;

  constructor(graph: Graph, registry: OpRegistry, rings: ReadonlyMap<Node, number>) {
    super(graph, registry);
    this.rings = rings;
  }

  protected rewrite(node: Node): readonly Node[] {
    return this.rings.has(node) ? this.ring(node) : [this.copy(node)];
  }

  private ring(node: Node): readonly Node[] {
    const { builder } = this;
    const parts = this.rings.get(node)!;
    const names = opOf(builder.registry, node).operands;
    const operands = this.operandsOf(node);
    const join = node.op === 'attention' ? merged : summed;
    const steps: Node[] = [];
    const taken = (turn: number): Results => {
      // What stands beside all keys counts once.
      const isThere = (name: string) => turn === 0 || name !== 'sinks';
      const given = ((node.attributes.given ?? []) as readonly string[]).filter(isThere);
      const attributes = { ...node.attributes, ...(node.attributes.given !== undefined && { given }), parts, turn };
      const results = builder.at(
        node.source,
        () =>
          builder.apply(
            node.op,
            operands.filter((_, i) => isThere(names[i])),
            attributes,
          ),
        this.forwardOf(node, turn),
      );
      const step = builder.nodesSoFar().at(-1)!;
      steps.push(step);
      return Object.fromEntries(opOf(builder.registry, step).results.map((name, i) => [name, results[i]]));
    };
    const here = <T>(body: () => T): T => builder.at(node.source, body, this.forwardOf(node, 0));
    let all = taken(0);
    // Joined as they are made: at no time is more there than one step's.
    for (let turn = 1; turn < parts; turn++) {
      const next = taken(turn);
      const before = all;
      all = here(() => join(before, next));
    }
    opOf(builder.registry, node).results.forEach((name, i) => {
      const id = node.outputs[i];
      const { dtype } = this.graph.values[id].type;
      this.values[id] = here(() => all[name].transpose(node.rule.results[i]).exactly(dtype)).id;
    });
    return steps;
  }
}

/** Of an op, by name. */
type Results = Readonly<Record<string, Tensor>>;

/** Outputs and log-sum-exps of two lots of keys: o = Σ o_j · exp(l_j − l), l = ln Σ exp(l_j). Of queries without a key, 0 and −∞. */
function merged({ o, logsumexp: l }: Results, { o: oj, logsumexp: lj }: Results): Results {
  const most = l.maximum(lj).maximum(l.constant(-1e30));
  const [weight, other] = [l.sub(most).exp(), lj.sub(most).exp()];
  const total = weight.add(other);
  const divisor = total.maximum(total.constant(1e-30));
  const added = o
    .cast('f32')
    .mul(weight.div(divisor))
    .add(oj.cast('f32').mul(other.div(divisor)));
  return { o: added, logsumexp: total.log().add(most) };
}

/** Gradients, added in at least f32; one that not every step gives is that of the first. */
const summed = (sums: Results, gradients: Results): Results =>
  Object.fromEntries(
    Object.entries(sums).map(([name, sum]) => [
      name,
      name in gradients ? sum.cast('f32').add(gradients[name].cast('f32')) : sum,
    ]),
  );
