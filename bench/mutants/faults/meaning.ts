/** The same operands, another meaning: ops, attributes, rules and assignments. */
import type { KernelInstruction } from '../../../src/program/program.js';
import { replaceAt } from '../edit.js';
import type { Mutations } from '../mutant.js';
import { isKernel, mutant, onOne } from './site.js';

export const meaning: Mutations = {
  change_attribute: onOne(isKernel, (program, site, random) => {
    const kernel = site.instruction as KernelInstruction;
    const keys = Object.entries(kernel.attributes).filter(([, value]) => typeof value === 'number');
    if (keys.length === 0) return null;
    const [key, value] = random.pick(keys);
    const attributes = { ...kernel.attributes, [key]: (value as number) + random.pick([1, -0.5, 2]) };
    return mutant(replaceAt(program, site, { ...kernel, attributes }), site);
  }),
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
