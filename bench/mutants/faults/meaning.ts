/** The same operands, another meaning: ops, attributes, rules and assignments. */
import type { Attributes } from '../../../src/ir/graph.js';
import type { OpRule } from '../../../src/ir/rule.js';
import { printFactors, type TensorType } from '../../../src/ir/type.js';
import { ops } from '../../../src/ops/index.js';
import type { KernelInstruction, ProgramValue } from '../../../src/program/program.js';
import { replaceAt } from '../edit.js';
import type { Mutations } from '../mutant.js';
import type { Random } from '../random.js';
import { isKernel, mutant, onOne } from './site.js';

export const meaning: Mutations = {
  change_attribute: onOne(isKernel, (program, site, random) => {
    const kernel = site.instruction as KernelInstruction;
    const attributes = changedAttributes(kernel.attributes, random);
    return attributes && mutant(replaceAt(program, site, { ...kernel, attributes }), site);
  }),
  /** Another op that binds to the same operands with the same factors, and gives results of the same types. */
  swap_op: onOne(isKernel, (program, site, random) => {
    const kernel = site.instruction as KernelInstruction;
    const others = alike(program.classes[site.c].values, kernel);
    if (others.length === 0) return null;
    return mutant(replaceAt(program, site, { ...kernel, op: random.pick(others) }), site);
  }),
  swap_letters: onOne(isKernel, (program, site, random) => {
    const kernel = site.instruction as KernelInstruction;
    const { letters } = kernel.rule;
    const names = Object.keys(letters);
    if (names.length < 2) return null;
    const [a, b] = [random.pick(names), random.pick(names)];
    if (String(letters[a]) === String(letters[b])) return null;
    const rule = { ...kernel.rule, letters: { ...letters, [a]: letters[b], [b]: letters[a] } };
    return mutant(replaceAt(program, site, { ...kernel, rule }), site);
  }),
  drop_origins: onOne(
    (x) => isKernel(x) && (x as KernelInstruction).rule.origins.some((name) => isSplit(x as KernelInstruction, name)),
    (program, site) => {
      const kernel = site.instruction as KernelInstruction;
      return mutant(replaceAt(program, site, { ...kernel, rule: { ...kernel.rule, origins: [] } }), site);
    },
  ),
  change_rule: onOne(isKernel, (program, site, random) => {
    const kernel = site.instruction as KernelInstruction;
    const { rule } = kernel;
    const lists = [...rule.operands, ...rule.results];
    const at = random.int(lists.length);
    const list = lists[at];
    const pairs = list.flatMap((f, i) =>
      list.flatMap((g, j) => (i < j && rule.factors[f].size === rule.factors[g].size ? [[i, j]] : [])),
    );
    if (pairs.length === 0) return null;
    const [i, j] = random.pick(pairs);
    const changed = list.map((f, k) => (k === i ? list[j] : k === j ? list[i] : f));
    const operands = rule.operands.map((x, k) => (k === at ? changed : x));
    const results = rule.results.map((x, k) => (k + rule.operands.length === at ? changed : x));
    return mutant(replaceAt(program, site, { ...kernel, rule: { ...rule, operands, results } }), site);
  }),
  change_assignment: onOne(isKernel, (program, site, random) => {
    const kernel = site.instruction as KernelInstruction;
    const factors = Object.keys(kernel.assignment.splits);
    if (factors.length === 0) return null;
    const { [random.pick(factors)]: _, ...splits } = kernel.assignment.splits;
    return mutant(replaceAt(program, site, { ...kernel, assignment: { ...kernel.assignment, splits } }), site);
  }),
};

type Attribute = Attributes[string];

const isSplit = ({ assignment }: KernelInstruction, factor: string): boolean =>
  (assignment.splits[factor]?.axes.length ?? 0) > 0;

/** The same attributes but for one; null where there is none to change. */
export function changedAttributes(attributes: Attributes, random: Random): Attributes | null {
  const names = Object.keys(attributes);
  if (names.length === 0) return null;
  const name = random.pick(names);
  const changed = changedAttribute(attributes[name], random);
  return changed === null ? null : { ...attributes, [name]: changed };
}

function changedAttribute(value: Attribute, random: Random): Attribute | null {
  if (typeof value === 'number') return value + random.pick([1, -0.5, 2]);
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'string')
    return random.pick(['f32', 'bf16', 'i32', 'batch', 'heads'].filter((one) => one !== value));
  const reversed = [...value].reverse() as Attribute;
  return String(reversed) === String(value) ? null : reversed;
}

function alike(
  values: readonly ProgramValue[],
  { op, rule, attributes, inputs, outputs }: KernelInstruction,
): readonly string[] {
  const call = { operands: inputs.map(({ value }) => values[value].global), names: rule.operands, attributes };
  const expected = shapeText(
    rule,
    outputs.map(({ value }) => values[value].global),
  );
  return [...ops.values()].flatMap((other) => {
    if (other.name === op) return [];
    try {
      const bound = other.bind(call);
      return shapeText(bound.rule, bound.results) === expected ? [other.name] : [];
    } catch {
      return [];
    }
  });
}

const shapeText = ({ operands, results }: OpRule, types: readonly TensorType[]): string =>
  JSON.stringify([operands, results, types.map((type) => [type.dtype, printFactors(type)])]);
