/**
 * The meaning of a value down to primitives: a fused op means its decomposition, whichever of the two a graph has, and whatever the
 * factors are called. Floats are compared up to rounding, which fusing changes; element types of whole graphs are compared beside.
 */
import type { AttributeKind } from './attributes.js';
import { GraphBuilder } from './builder.js';
import { isFloat } from './dtype.js';
import type { Attributes, AttributeValue, Graph } from './graph.js';
import { Meanings, type Applied, type Meaning } from './meaning.js';
import { opOf, type OpDefinition } from './op.js';
import type { Role } from './role.js';
import { ruleText, type OpRule } from './rule.js';
import { Tensor } from './tensor.js';
import { printType, sameFactors, type FactorName, type TensorType } from './type.js';

/** What an op does to its operands, whatever these mean. Of equal layers it is one. */
type Form = Applied & { readonly types: readonly TensorType[] } & (
    | { readonly kind: 'operand' }
    /** Its attributes and its rule as its operands come, as a number; and in reverse, where it commutes. */
    | { readonly kind: 'primitive'; readonly inOrder: number; readonly reversed: number | null }
    | { readonly kind: 'fused'; readonly body: Body }
  );

/** A fused op's decomposition: its values are numbered, operands first. */
interface Body {
  readonly number: number;
  readonly operands: readonly number[];
  readonly steps: readonly {
    readonly form: Form;
    readonly inputs: readonly number[];
    readonly outputs: readonly number[];
  }[];
  readonly results: readonly number[];
}

export class DecomposedMeanings extends Meanings {
  private readonly bodies = new Map<string, Body>();
  /** By rule: the last form that was met with it. */
  private readonly forms = new WeakMap<OpRule, Form>();
  /** What fused ops give, by body and operands: in the graph and placed they are mostly the same. */
  private readonly made = new Map<string, readonly Meaning[]>();

  /** The meanings of all results of an op, from those of its operands and their types. */
  results(
    applied: Applied,
    operands: readonly Meaning[],
    types: readonly TensorType[],
    count: number,
  ): readonly Meaning[] {
    return this.apply(this.formOf(applied, types), operands, count);
  }

  /** The meaning of every value of a graph, by its id. `input`: of an input, by its role and place. */
  valuesOf(graph: Graph, input: (role: Role, i: number) => Meaning): readonly Meaning[] {
    const of: Meaning[] = [];
    graph.inputs.forEach(({ role, value }, i) => (of[value] = input(role, i)));
    for (const node of graph.nodes) {
      const types = node.inputs.map((id) => graph.values[id].type);
      const operands = node.inputs.map((id) => of[id]);
      const made = this.results(node, operands, types, node.outputs.length);
      node.outputs.forEach((id, k) => (of[id] = made[k]));
    }
    return of;
  }

  private apply(form: Form, operands: readonly Meaning[], count: number): readonly Meaning[] {
    switch (form.kind) {
      case 'operand':
        return [operands[0]];
      case 'primitive':
        return Array.from({ length: count }, (_, result) => this.primitive(form, operands, result));
      case 'fused': {
        const key = `${form.body.number} (${operands.join(' ')})`;
        const known = this.made.get(key);
        if (known) return known;
        const made = this.decomposed(form.body, operands);
        this.made.set(key, made);
        return made;
      }
    }
  }

  private primitive(
    { inOrder, reversed }: Extract<Form, { readonly kind: 'primitive' }>,
    operands: readonly Meaning[],
    result: number,
  ): Meaning {
    const text = `${result} of ${inOrder} (${operands.join(' ')})`;
    if (reversed === null) return this.number(text);
    const other = `${result} of ${reversed} (${[...operands].reverse().join(' ')})`;
    return this.number(text < other ? text : other);
  }

  private decomposed({ operands: ids, steps, results }: Body, operands: readonly Meaning[]): readonly Meaning[] {
    const of: Meaning[] = [];
    ids.forEach((id, i) => (of[id] = operands[i]));
    for (const { form, inputs, outputs } of steps) {
      const made = this.apply(
        form,
        inputs.map((id) => of[id]),
        outputs.length,
      );
      outputs.forEach((id, k) => (of[id] = made[k]));
    }
    return results.map((id) => of[id]);
  }

  private formOf({ op, rule, attributes }: Applied, types: readonly TensorType[]): Form {
    const known = this.forms.get(rule);
    if (known?.op === op && known.attributes === attributes && alike(known.types, types)) return known;
    const form = this.newForm(opOf(this.registry, { op, attributes }), { op, rule, attributes }, types);
    this.forms.set(rule, form);
    return form;
  }

  private newForm(definition: OpDefinition, applied: Applied, types: readonly TensorType[]): Form {
    const { op, rule, attributes } = applied;
    // Under a rule that is not its own it is neither what it is decomposed into nor its operand.
    const isOwn = isOwnRule(definition, applied, types);
    if (isOwn && definition.decompose)
      return { ...applied, types, kind: 'fused', body: this.bodyOf(definition, applied, types) };
    if (isOwn && (definition.copies?.(attributes) || roundsOnly(definition, applied, types)))
      return { ...applied, types, kind: 'operand' };
    const kept = definition.choosesDtype ? without(attributes, 'dtype') : attributes;
    const numberOf = (order: readonly number[]) => {
      const nameOf = numbered(rule, order);
      const given = attributesText(kept, definition.attributeKinds ?? {}, nameOf);
      return this.number(`${op} {${given}} by ${ruleText(upToNames(rule, order, nameOf))}`);
    };
    const order = rule.operands.map((_, i) => i);
    const reversed = definition.commutes ? numberOf([...order].reverse()) : null;
    return { ...applied, types, kind: 'primitive', inOrder: numberOf(order), reversed };
  }

  private bodyOf(definition: OpDefinition, { op, rule, attributes }: Applied, types: readonly TensorType[]): Body {
    const key = `${op} ${JSON.stringify(attributes)} ${JSON.stringify(rule.operands)} ${types.map(printType).join(', ')}`;
    const known = this.bodies.get(key);
    if (known) return known;
    // A graph that is gone on with: past autodiff, decompositions may read what ops keep for their backward.
    const builder = GraphBuilder.resume(this.registry, new GraphBuilder(this.registry, op).build());
    const operands = definition.operands.map((name, i) => builder.input(name, 'data', types[i]).id);
    const tensors = operands.map(
      (id, i) => [definition.operands[i], new Tensor(builder, id, rule.operands[i])] as const,
    );
    const made = definition.decompose!(Object.fromEntries(tensors), attributes);
    const { nodes, values } = builder.build();
    const steps = nodes.map((node) => {
      const form = this.formOf(
        node,
        node.inputs.map((id) => values[id].type),
      );
      return { form, inputs: node.inputs, outputs: node.outputs };
    });
    const results = definition.results.map((name) => Number(made[name]?.id));
    const body = { number: this.bodies.size, operands, steps, results };
    this.bodies.set(key, body);
    return body;
  }
}

const alike = (some: readonly TensorType[], others: readonly TensorType[]): boolean =>
  some.length === others.length && some.every((type, i) => sameFactors(type, others[i]));

const isOwnRule = ({ bind }: OpDefinition, { rule, attributes }: Applied, operands: readonly TensorType[]): boolean =>
  ruleText(bind({ operands, names: rule.operands, attributes }).rule) === ruleText(rule);

const roundsOnly = ({ rounds }: OpDefinition, { attributes }: Applied, [type]: readonly TensorType[]): boolean =>
  rounds === true && isFloat(type.dtype) && isFloat(attributes.dtype as TensorType['dtype']);

/** Numbers for a rule's factors, as they are met. */
function numbered(rule: OpRule, order: readonly number[]): (name: FactorName) => string {
  const numbers = new Map<FactorName, string>();
  const met = [...order.flatMap((i) => rule.operands[i]), ...rule.results.flat(), ...Object.keys(rule.factors)];
  for (const name of met) if (!numbers.has(name)) numbers.set(name, `f${numbers.size}`);
  return (name) => numbers.get(name) ?? name;
}

/** A rule with its operands in an order and its factors by number: what it means, and nothing of how kernels see it. */
function upToNames(rule: OpRule, order: readonly number[], nameOf: (name: FactorName) => string): OpRule {
  const named = (lists: readonly (readonly FactorName[])[]) => lists.map((list) => list.map(nameOf));
  const factors = Object.entries(rule.factors).map(
    ([name, { size, tied }]) =>
      [nameOf(name), { size, ...(tied && { tied: { ...tied, to: nameOf(tied.to) } }) }] as const,
  );
  const linear = rule.linear.map((set) => set.map((i) => order.indexOf(i)).sort());
  return {
    factors: Object.fromEntries(factors.sort(byText)),
    operands: named(order.map((i) => rule.operands[i])),
    results: named(rule.results),
    reductions: rule.reductions,
    linear: linear.sort(byText),
    letters: {},
    origins: rule.origins.map(nameOf).sort(),
  };
}

const byText = (a: readonly unknown[], b: readonly unknown[]): number => (String(a) < String(b) ? -1 : 1);

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
