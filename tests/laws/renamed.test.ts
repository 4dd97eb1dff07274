/**
 * Names are for people: a model whose ops, factors, parameters, segments and mesh axes have other names, drawn at random, compiles to the
 * same program up to names.
 *
 * Graph, plan and registry are renamed as they stand before compiling. Tensor methods name ops by their own names; the renamed registry
 * knows these too, and gives the renamed op.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileGraphs } from '../../src/compile/compile.js';
import type { Graph } from '../../src/ir/graph.js';
import type { OpDefinition, OpRegistry } from '../../src/ir/op.js';
import type { Attributes } from '../../src/ir/graph.js';
import { opNamed } from '../../src/ir/op.js';
import { nameOf, type Role } from '../../src/ir/role.js';
import type { TensorType } from '../../src/ir/type.js';
import { GPT, Mixtral } from '../../src/nn/models/index.js';
import { ops } from '../../src/ops/index.js';
import { pipelineOf, type Plan } from '../../src/plan/plan.js';
import { tableOf } from '../../src/plan/plan_schedule.js';
import type { Program } from '../../src/program/program.js';
import { unfold } from '../../src/program/unroll.js';
import { languageModel } from '../scenarios/language_model.js';
import { parametersOf, planOf, uniform, type ScenarioOptions } from '../scenarios/scenario.js';

const split = { batch: ['data'], hidden: ['tensor'], heads: ['tensor'], vocab: ['tensor'] };
const gpt = new GPT({ layers: 2, dim: 4, heads: 2, context: 3, vocab: 6, dropout: 0.1 });
const mixtral = new Mixtral({ layers: 1, dim: 4, heads: 2, hidden: 4, context: 2, vocab: 5, experts: 2, choices: 1 });

const cases: Readonly<Record<string, () => ScenarioOptions>> = {
  'data × tensor, ZeRO-3': () => ({
    ...languageModel(gpt, { microbatches: 1, batch: 2, sequence: 3 }),
    mesh: { data: 2, tensor: 2 },
    split,
    microbatches: 2,
    zero: { stage: 3, axes: ['data'] },
  }),
  'hybrid shards, ZeRO-3, residuals made again': () => ({
    ...languageModel(gpt, { microbatches: 1, batch: 4, sequence: 2 }),
    mesh: { replica: 2, shard: 2 },
    split: { batch: ['replica', 'shard'] },
    zero: { stage: 3, axes: ['shard'] },
    scopes: [{ of: 'blocks.*', made: 'again', keep: 'segment and direction', ops: 'all' }],
  }),
  'two groups, a tied weight, 1F1B': () => ({
    ...languageModel(gpt, { microbatches: 1, batch: 2, sequence: 3 }),
    pipeline: pipelineOf([
      { segments: ['embedding', 'blocks.0'], mesh: { data: 2 } },
      { segments: ['blocks.1', 'head'], mesh: { tensor: 2 } },
    ]),
    split,
    schedule: '1f1b',
    microbatches: 3,
  }),
  'sequences over context × tensor, attention by heads': () => ({
    ...languageModel(gpt, { microbatches: 1, batch: 2, sequence: 3 }),
    mesh: { context: 2, tensor: 2 },
    split: { ...split, sequence: ['context', 'tensor'] },
    contextMethod: 'ulysses',
    zero: { stage: 1, axes: ['context'] },
  }),
  'experts, ZeRO-1': () => ({
    ...languageModel(mixtral, { microbatches: 2, batch: 1, sequence: 2 }),
    mesh: { data: 2 },
    split: { microbatch: ['data'], experts: ['data'] },
    zero: { stage: 1, axes: ['data'] },
  }),
};

test.each(Object.keys(cases))('%s', (name) => {
  const options = cases[name]();
  const plain = compiled(options, null);
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const renaming = new Renaming(seed);
      expect(difference(plain, compiled(options, renaming), renaming)).toBeNull();
    }),
    { numRuns: 2 },
  );
});

/** Other names, of letters alone, in an order that is not that of the old ones; the same for the same seed. */
class Renaming {
  private readonly seed: number;
  private readonly known = new Map<string, string>();

  constructor(seed: number) {
    this.seed = seed;
  }

  /** Of a sort of thing: names of two sorts do not meet. */
  readonly of = (sort: string, name: string): string => {
    const key = `${sort} ${name}`;
    const found =
      this.known.get(key) ?? `${letters(uniform(`${key} ${this.seed}`))}${letters(this.known.size / 2 ** 12)}`;
    this.known.set(key, found);
    return found;
  };

  inverse(): ReadonlyMap<string, string> {
    return new Map([...this.known].map(([key, name]) => [name, key.slice(key.indexOf(' ') + 1)]));
  }

  readonly op = (name: string): string => this.of('op', name);
  /** Marks that tell one factor from another of the same name (`sequence'`) stay. */
  readonly factor = (name: string): string => {
    const base = name.replace(/'+$/, '');
    return `${this.of('factor', base)}${name.slice(base.length)}`;
  };
  readonly axis = (name: string): string => this.of('axis', name);
  /** Of a module, parameter or segment: `blocks.0.norm`; `*` stands for any name. */
  readonly path = (path: string): string =>
    path
      .split('.')
      .map((name) => (name === '*' ? name : this.of('module', name)))
      .join('.');
}

/** A number in [0, 1) as six letters. */
const letters = (u: number): string =>
  Array.from({ length: 6 }, (_, i) => String.fromCharCode(97 + (Math.floor(u * 26 ** (i + 1)) % 26))).join('');

function compiled(options: ScenarioOptions, renaming: Renaming | null): Program {
  const plan = renaming ? renamedPlan(planOf(options), renaming) : planOf(options);
  const step = renaming ? renamedGraph(options.step, renaming) : options.step;
  // The update is built of parameters as the compiler names them, and so has their names.
  const update = (parameters: Parameters<NonNullable<ScenarioOptions['update']>>[0]): Graph =>
    renaming ? withOps(options.update!(parameters), renaming) : options.update!(parameters);
  const request = { plan, registry: renaming ? renamedOps(renaming) : ops, target: 'reference' as const };
  return compileGraphs(
    { ...request, memory: { moves: 5, searchNodes: 0 } },
    { parameters: parametersOf(step) },
    step,
    update,
    tableOf(plan),
  ).program;
}

function renamedOps({ op }: Renaming): OpRegistry {
  const all = [...ops.values()].map((one): [string, OpDefinition] => [
    op(one.name),
    {
      ...one,
      name: op(one.name),
      ...(one.backwardOp !== undefined && { backwardOp: op(one.backwardOp) }),
      ...(one.withAddend !== undefined && { withAddend: op(one.withAddend) }),
    },
  ]);
  const renamed = new Map(all);
  const get = renamed.get.bind(renamed);
  renamed.get = (name) => get(name) ?? (ops.has(name) ? get(op(name)) : undefined);
  return renamed;
}

/** Ops alone. */
const withOps = (graph: Graph, { op }: Renaming): Graph => {
  const nodes = graph.nodes.map((node) => ({ ...node, op: op(node.op) }));
  return {
    ...graph,
    nodes,
    values: graph.values.map((value) => ({ ...value, node: value.node && nodes[value.node.id] })),
  };
};

/** Ops, factors, parameters, paths and segments; what hosts know by name (`tokens`, `lr`) stays. */
function renamedGraph(graph: Graph, renaming: Renaming): Graph {
  const { factor, path } = renaming;
  const type = (one: TensorType): TensorType => ({
    ...one,
    dims: one.dims.map((factors) => factors.map((each) => ({ ...each, name: factor(each.name) }))),
  });
  const role = (one: Role): Role => ('of' in one ? { ...one, of: path(one.of) } : one);
  const place = <T extends { readonly role: Role; readonly name: string }>(one: T): T => {
    const changed = role(one.role);
    return { ...one, role: changed, name: nameOf(changed) };
  };
  const list = (names: readonly string[]) => names.map(factor);
  const nodes = graph.nodes.map((node) => ({
    ...node,
    source: {
      ...node.source,
      path: path(node.source.path),
      segment: path(node.source.segment),
    },
    attributes: renamedAttributes(node.op, node.attributes, renaming),
    rule: {
      ...node.rule,
      factors: Object.fromEntries(Object.entries(node.rule.factors).map(([name, one]) => [factor(name), one])),
      operands: node.rule.operands.map(list),
      results: node.rule.results.map(list),
      letters: Object.fromEntries(Object.entries(node.rule.letters).map(([letter, names]) => [letter, list(names)])),
      origins: list(node.rule.origins),
    },
  }));
  const renamed: Graph = {
    ...graph,
    inputs: graph.inputs.map(place),
    outputs: graph.outputs.map(place),
    nodes,
    values: graph.values.map((value) => ({
      ...value,
      type: type(value.type),
      node: value.node && nodes[value.node.id],
    })),
  };
  return withOps(renamed, renaming);
}

/** Those that name factors, as the op says. */
function renamedAttributes(op: string, attributes: Attributes, { factor }: Renaming): Attributes {
  const kinds = opNamed(ops, op).attributeKinds ?? {};
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => {
      if (name === 'letters') return [name, (value as readonly string[]).map((one) => renamedLetter(one, factor))];
      if (!kinds[name]?.startsWith('factor')) return [name, value];
      return [name, typeof value === 'string' ? factor(value) : (value as readonly string[]).map(factor)];
    }),
  );
}

/** `t=batch sequence` */
function renamedLetter(text: string, factor: (name: string) => string): string {
  const [letter, names] = text.split('=');
  return `${letter}=${names.split(' ').filter(Boolean).map(factor).join(' ')}`;
}

function renamedPlan(plan: Plan, { axis, factor, path }: Renaming): Plan {
  return {
    ...plan,
    groups: Object.fromEntries(
      Object.entries(plan.groups).map(([name, { mesh }]) => [
        name,
        { mesh: Object.fromEntries(Object.entries(mesh).map(([one, size]) => [axis(one), size])) },
      ]),
    ),
    chunks: plan.chunks.map((chunk) => ({ ...chunk, segments: chunk.segments.map(path) })),
    split: Object.fromEntries(Object.entries(plan.split).map(([name, axes]) => [factor(name), axes.map(axis)])),
    scopes: plan.scopes.map((scope) => ({ ...scope, of: path(scope.of) })),
    zero: { ...plan.zero, axes: plan.zero.axes.map(axis) },
  };
}

/** A text with axes that are printed in the order of the alphabet in that of the old names: `{| sum:data, sum:tensor}`, `group:data*tensor`. */
const inOrder = (text: string): string =>
  text
    .replace(/(\| )([^{}]+)\}/g, (_, bar: string, axes: string) => `${bar}${axes.split(', ').sort().join(', ')}}`)
    .replace(/^group:(.+)$/, (_, axes: string) => `group:${axes.split('*').sort().join('*')}`);

/** Where two programs differ in more than names: a path into them, and what stands there; null where they do not. */
function difference(plain: Program, renamed: Program, renaming: Renaming): string | null {
  const inverse = renaming.inverse();
  const back = (text: string) => text.replace(/[a-z]{12}/g, (name) => inverse.get(name) ?? name);
  const walk = (a: unknown, b: unknown, at: string): string | null => {
    if (typeof a === 'string' && typeof b === 'string')
      return inOrder(a) === inOrder(back(b)) ? null : `${at}: '${a}' is '${back(b)}'`;
    if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
      return Object.is(a, b) ? null : `${at}: ${String(a)} is ${String(b)}`;
    const others = new Map(Object.entries(b).map(([key, value]) => [back(key), value as unknown]));
    const keys = Object.keys(a);
    if (keys.length !== others.size || !keys.every((key) => others.has(key)))
      return `${at}: [${keys.join(', ')}] are [${[...others.keys()].join(', ')}]`;
    for (const key of keys) {
      const found = walk((a as Readonly<Record<string, unknown>>)[key], others.get(key), `${at}.${key}`);
      if (found !== null) return found;
    }
    return null;
  };
  return walk(unfold(plain), unfold(renamed), 'program');
}
