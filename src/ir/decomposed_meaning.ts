/**
 * The meaning of a value down to primitives: a fused op means its decomposition, whichever of the two a graph has, and whatever the
 * factors are called. Floats are compared up to rounding, which fusing changes; element types of whole graphs are compared beside.
 */
import type { AttributeKind } from './attributes.js';
import { GraphBuilder } from './builder.js';
import { isFloat } from './dtype.js';
import type { Attributes, AttributeValue, Graph } from './graph.js';
import { Meanings, type Applied, type Meaning } from './meaning.js';
import { opNamed, type OpDefinition } from './op.js';
import type { Role } from './role.js';
import type { OpRule } from './rule.js';
import { Tensor } from './tensor.js';
import { printType, type FactorName, type TensorType } from './type.js';

/** A fused op's decomposition: a graph of its operands, and which of its values the results are. */
interface Body {
  readonly graph: Graph;
  readonly results: readonly number[];
}

/** A primitive op with its attributes and its rule, as its operands come; and in reverse, where it commutes. */
interface PrimitiveTexts {
  readonly op: string;
  readonly attributes: Attributes;
  readonly inOrder: string;
  readonly reversed: string | null;
}

export class DecomposedMeanings extends Meanings {
  private readonly bodies = new Map<string, Body>();
  /** By rule: the last op and attributes that were met with it. */
  private readonly primitives = new WeakMap<OpRule, PrimitiveTexts>();

  /** The meanings of all results of an op, from those of its operands and their types. */
  results(applied: Applied, operands: readonly Meaning[], types: readonly TensorType[], count: number): Meaning[] {
    const definition = opNamed(this.registry, applied.op);
    if (definition.decompose) {
      const { graph, results } = this.bodyOf(definition, applied, types);
      const values = this.valuesOf(graph, (_, i) => operands[i]);
      return results.slice(0, count).map((id) => values[id]);
    }
    if (definition.copies?.(applied.attributes) || roundsOnly(definition, applied, types)) return [operands[0]];
    return Array.from({ length: count }, (_, result) => this.primitive(definition, applied, operands, result));
  }

  /** The meaning of every value of a graph, by its id. `input`: of an input, by its role and place. */
  valuesOf(graph: Graph, input: (role: Role, i: number) => Meaning): readonly Meaning[] {
    const of: Meaning[] = [];
    graph.inputs.forEach(({ role, value }, i) => (of[value] = input(role, i)));
    for (const { inputs, outputs, ...applied } of graph.nodes) {
      const types = inputs.map((id) => graph.values[id].type);
      const operands = inputs.map((id) => of[id]);
      this.results(applied, operands, types, outputs.length).forEach((meaning, k) => (of[outputs[k]] = meaning));
    }
    return of;
  }

  private primitive(
    definition: OpDefinition,
    { op, rule, attributes }: Applied,
    operands: readonly Meaning[],
    result: number,
  ): Meaning {
    const texts = this.textsOf(definition, op, rule, attributes);
    const order = operands.map((_, i) => i);
    const text = (made: string, at: readonly number[]) =>
      `${result} of ${made} (${at.map((i) => operands[i]).join(' ')})`;
    if (texts.reversed === null) return this.number(text(texts.inOrder, order));
    return this.number([text(texts.inOrder, order), text(texts.reversed, [...order].reverse())].sort()[0]);
  }

  /** What an op is whatever its operands mean. A node is met in two graphs, and one of a decomposition wherever its op is. */
  private textsOf(definition: OpDefinition, op: string, rule: OpRule, attributes: Attributes): PrimitiveTexts {
    const known = this.primitives.get(rule);
    if (known?.op === op && known.attributes === attributes) return known;
    const kept = definition.choosesDtype ? without(attributes, 'dtype') : attributes;
    const text = (order: readonly number[]) => {
      const nameOf = numbered(rule, order);
      const given = attributesText(kept, definition.attributeKinds ?? {}, nameOf);
      return `${op} {${given}} by ${ruleText(rule, order, nameOf)}`;
    };
    const order = rule.operands.map((_, i) => i);
    const reversed = definition.commutes ? text([...order].reverse()) : null;
    const made = { op, attributes, inOrder: text(order), reversed };
    this.primitives.set(rule, made);
    return made;
  }

  private bodyOf(definition: OpDefinition, { op, rule, attributes }: Applied, types: readonly TensorType[]): Body {
    const key = `${op} ${JSON.stringify(attributes)} ${JSON.stringify(rule.operands)} ${types.map(printType).join(', ')}`;
    const known = this.bodies.get(key);
    if (known) return known;
    // A graph that is gone on with: past autodiff, decompositions may read what ops keep for their backward.
    const builder = GraphBuilder.resume(this.registry, new GraphBuilder(this.registry, op).build());
    const operands = Object.fromEntries(
      definition.operands.map((name, i) => {
        const { id } = builder.input(name, 'data', types[i]);
        return [name, new Tensor(builder, id, rule.operands[i])];
      }),
    );
    const made = definition.decompose!(operands, attributes);
    const body = { graph: builder.build(), results: definition.results.map((name) => Number(made[name]?.id)) };
    this.bodies.set(key, body);
    return body;
  }
}

const roundsOnly = ({ rounds }: OpDefinition, { attributes }: Applied, [type]: readonly TensorType[]): boolean =>
  rounds === true && isFloat(type.dtype) && isFloat(attributes.dtype as TensorType['dtype']);

/** Numbers for a rule's factors, as they are met. */
function numbered(rule: OpRule, order: readonly number[]): (name: FactorName) => string {
  const numbers = new Map<FactorName, string>();
  const met = [...order.flatMap((i) => rule.operands[i]), ...rule.results.flat(), ...Object.keys(rule.factors)];
  for (const name of met) if (!numbers.has(name)) numbers.set(name, `f${numbers.size}`);
  return (name) => numbers.get(name) ?? name;
}

function ruleText(rule: OpRule, order: readonly number[], nameOf: (name: FactorName) => string): string {
  const place = new Map(order.map((i, k) => [i, k]));
  const lists = (of: readonly (readonly FactorName[])[]) => of.map((one) => one.map(nameOf).join(' ')).join(', ');
  const factors = Object.entries(rule.factors)
    .map(([name, { size }]) => `${nameOf(name)}=${size}`)
    .sort();
  const linear = rule.linear
    .map((set) =>
      set
        .map((i) => place.get(i)!)
        .sort()
        .join(' '),
    )
    .sort();
  const shift = rule.shift ? ` shift ${nameOf(rule.shift.factor)} ${rule.shift.by}` : '';
  return (
    `[${factors.join(' ')}] (${lists(order.map((i) => rule.operands[i]))}) -> (${lists(rule.results)}) ` +
    `by ${rule.reductions.join(' ')} linear (${linear.join(', ')}) origins (${rule.origins.map(nameOf).sort().join(' ')})${shift}`
  );
}

function attributesText(
  attributes: Attributes,
  kinds: Readonly<Record<string, string>>,
  nameOf: (name: FactorName) => string,
): string {
  const shown = (key: string, value: AttributeValue) => {
    const kind = kinds[key]?.replace('?', '') as AttributeKind | undefined;
    if (kind !== 'factor' && kind !== 'factors') return JSON.stringify(value);
    return (Array.isArray(value) ? (value as readonly string[]) : [String(value)]).map(nameOf).join(' ');
  };
  const keys = Object.keys(attributes).sort();
  return keys.map((key) => `${key}=${shown(key, attributes[key])}`).join(' ');
}

const without = (attributes: Attributes, key: string): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([name]) => name !== key));
