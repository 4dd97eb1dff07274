/** Decompositions of fused ops, each made once: as a graph, and as what its nodes are launched with on a part of the op. */
import { GraphBuilder } from '../ir/builder.js';
import type { Attributes, Graph, Node, ValueId } from '../ir/graph.js';
import { slotNames, withGiven, type OpDefinition, type OpRegistry } from '../ir/op.js';
import type { OpRule } from '../ir/rule.js';
import type { FactorName, TensorType } from '../ir/type.js';
import { formOf, noteSize, type LaunchForm } from './launch.js';

export interface Decomposition {
  readonly graph: Graph;
  /** The values that are the op's results, in their order. */
  readonly results: readonly ValueId[];
  /** Filled as it is asked: the form of the op → its nodes' own. */
  readonly launches: Map<string, readonly NodeLaunch[]>;
}

export interface NodeLaunch {
  readonly node: Node;
  readonly form: LaunchForm;
}

/** Those of a registry, traced once for each op, types and attributes. */
export class Decompositions {
  private readonly registry: OpRegistry;
  private readonly byText = new Map<string, Decomposition>();
  /** The last that was asked for with a rule: a rule is a node's, whose types and attributes stay. */
  private readonly byRule = new WeakMap<OpRule, { readonly of: Fused; readonly is: Decomposition }>();

  constructor(registry: OpRegistry) {
    this.registry = registry;
  }

  of(definition: OpDefinition, { op, rule, attributes, operandTypes }: Fused): Decomposition {
    const of = { op, rule, attributes, operandTypes };
    const last = this.byRule.get(rule);
    if (last && isAlike(last.of, of)) return last.is;
    const is = this.traced(definition, of);
    this.byRule.set(rule, { of, is });
    return is;
  }

  private traced(definition: OpDefinition, { rule, attributes, operandTypes }: Fused): Decomposition {
    const operands = rule.operands.map((names, i): TensorType => ({
      dtype: operandTypes[i],
      dims: names.map((name) => [{ name, size: rule.factors[name].size }]),
    }));
    const key = JSON.stringify([definition.name, operands, rule.letters, attributes]);
    const known = this.byText.get(key);
    if (known) return known;
    // The rule knows what the letters bind to; operands alone might not.
    const letters = Object.entries(rule.letters).map(([letter, names]) => `${letter}=${names.join(' ')}`);
    const graph = decompositionOf(definition, this.registry, operands, rule.operands, { ...attributes, letters });
    const named = new Map(graph.outputs.map(({ name, value }) => [name, value]));
    const slots = slotNames(withGiven(definition, attributes).results, rule.results.length);
    const made: Decomposition = { graph, results: slots.map((name) => named.get(name)!), launches: new Map() };
    this.byText.set(key, made);
    return made;
  }
}

type Fused = Pick<LaunchForm, 'op' | 'rule' | 'attributes' | 'operandTypes'>;

const isAlike = (a: Fused, b: Fused): boolean =>
  a.op === b.op && a.attributes === b.attributes && a.operandTypes.every((dtype, i) => dtype === b.operandTypes[i]);

/**
 * An op's decomposition as a graph of its own, for operands of these types under these names: inputs are named as the op's operands,
 * outputs as its results.
 */
export function decompositionOf(
  definition: OpDefinition,
  registry: OpRegistry,
  operands: readonly TensorType[],
  names: readonly (readonly FactorName[])[],
  attributes: Attributes,
): Graph {
  if (!definition.decompose) throw new Error(`${definition.name} is a primitive: it has no decomposition`);
  const builder = new GraphBuilder(registry, definition.name);
  const slots = slotNames(withGiven(definition, attributes).operands, operands.length);
  const tensors = slots.map((slot, i) => builder.input(slot, 'value', operands[i]).as(names[i]));
  const results = definition.decompose(Object.fromEntries(slots.map((slot, i) => [slot, tensors[i]])), attributes);
  for (const [name, tensor] of Object.entries(results)) builder.output(name, tensor);
  return builder.build();
}

/** What the nodes of a decomposition, of global sizes, are launched with on the part of the op that a launch has. */
export function launchesOn({ graph, launches }: Decomposition, of: LaunchForm): readonly NodeLaunch[] {
  let key = '';
  for (const name in of.rule.factors) key += `${name} ${of.sizes[name]} ${of.origins[name] ?? 0} `;
  let known = launches.get(key);
  if (!known) launches.set(key, (known = nodeLaunches(graph, of)));
  return known;
}

/** How much a rank has of a factor, from where on. */
interface Part {
  readonly size: number;
  readonly origin: number;
}

const partOf = ({ sizes, origins }: Pick<LaunchForm, 'sizes' | 'origins'>, name: FactorName): Part => ({
  size: sizes[name],
  origin: origins[name] ?? 0,
});

/**
 * Each node on the parts of its operands. A factor that it makes itself, positions or random numbers, is a factor of the op where it has
 * its name; else it is whole.
 */
function nodeLaunches(graph: Graph, of: LaunchForm): readonly NodeLaunch[] {
  /** Value → of each of its factors. */
  const parts: (readonly Part[])[] = [];
  graph.inputs.forEach(({ value }, i) => (parts[value] = of.rule.operands[i].map((name) => partOf(of, name))));
  return graph.nodes.map((node) => {
    const sizes: Record<FactorName, number> = {};
    const origins: Record<FactorName, number> = {};
    const keep = (name: FactorName, part: Part) => {
      noteSize(node.op, sizes, name, part.size);
      origins[name] = part.origin;
    };
    node.inputs.forEach((id, i) => node.rule.operands[i].forEach((name, k) => keep(name, parts[id][k])));
    for (const [name, { size }] of Object.entries(node.rule.factors))
      if (!(name in sizes)) keep(name, name in of.rule.factors ? partOf(of, name) : { size, origin: 0 });
    const form = formOf(graph, node, sizes, origins);
    node.outputs.forEach((id, i) => (parts[id] = node.rule.results[i].map((name) => partOf(form, name))));
    return { node, form };
  });
}
