/**
 * Native kernels compute what their ops mean: every op that has a kernel, and its backward, on the addon against the reference, whose
 * decompositions know nothing of them.
 */
import { afterAll, expect, test } from 'vitest';
import { isFloat, type DType } from '../../ir/dtype.js';
import type { Graph, Node } from '../../ir/graph.js';
import { hasNativeKernel } from '../../kernels/native.js';
import { contiguous, type KernelSite } from '../../kernels/site.js';
import { buildCase, cases, factorNames, type FactorSizes, type OpCase } from '../../ops/cases.js';
import { evaluate, referenceKernels } from '../../ops/evaluate.js';
import { ops } from '../../ops/index.js';
import { gradients } from '../../passes/autodiff.js';
import { loadAddon, type AddonEngine } from './bridge.js';
import type { NativeError } from './diagnostics.js';
import type { KernelLaunch } from './loaded_program.js';
import { testDevice, testDeviceType } from './testing/device.js';
import { runSites } from './testing/sites.js';
import { testOnCpu } from './testing/tests_by_device.js';
import { view } from './testing/views.js';

const arenaBytes = 1 << 26;
const engines = new Map<number, AddonEngine>();
afterAll(() => engines.forEach((engine) => engine.close()));

/** The engine of so many threads; opened by the first test that needs it, so that each says what is missing where it cannot be. */
function engineOn(threads: number): AddonEngine {
  const engine = engines.get(threads) ?? loadAddon().open({ device: testDevice, threads, arenaBytes });
  engines.set(threads, engine);
  return engine;
}

const reference = referenceKernels();

/** Sizes that leave every kind of remainder, sizes of one, and a few longer than a kernel's blocks. */
const small: FactorSizes = { a: 3, b: 5, c: 17, d: 6, f: 3, g: 2, h: 9, k: 3, r: 2, s: 9, t: 11, u: 2, v: 37, w: 3 };
const ones: FactorSizes = { ...Object.fromEntries(Object.keys(small).map((name) => [name, 1])), d: 2 };
const long: FactorSizes = {
  ...small,
  a: 1,
  b: 2,
  c: 70,
  d: 64,
  f: 16,
  g: 1,
  h: 130,
  r: 1,
  s: 67,
  t: 70,
  u: 1,
  v: 1100,
};

const native = cases.filter(({ op }) => hasNativeKernel(op, testDeviceType));
const fits = (op: OpCase, sizes: FactorSizes) => {
  const all = { ...sizes, ...op.fixed };
  return factorNames(op).reduce((n, name) => n * all[name], 1) < 7e5;
};

// One rounding of a result, and for sums of rounded factors (bf16 probabilities) a little more.
const tolerance: Partial<Record<DType, number>> = { f64: 1e-12, f32: 5e-6, bf16: 1.2e-2 };

for (const float of ['f32', 'bf16', 'f64'] as const) {
  test(`in ${float}, native kernels compute their ops and the ops' backwards`, async () => {
    const ran = new Set<string>();
    for (const op of native) {
      for (const sizes of [small, ones, long].filter((sizes) => fits(op, sizes))) {
        for (const name of await expectMeaning(engineOn(2), training(op, sizes, float), float)) ran.add(name);
      }
    }
    const backwards = native
      .filter(({ op }) => hasNativeKernel(`${op}_backward`, testDeviceType))
      .map(({ op }) => `${op}_backward`);
    expect([...native.map(({ op }) => op), ...backwards].filter((name) => !ran.has(name))).toEqual([]);
  });
}

test('the ATen forms of the kernels compute the same ops', async () => {
  const ran = new Set<string>();
  for (const op of native) {
    for (const name of await expectMeaning(engineOn(1), training(op, small, 'f32'), 'f32', { aten: 1 })) ran.add(name);
  }
  expect([...ran]).toEqual(expect.arrayContaining(['einsum', 'attention', 'attention_backward', 'dropout', 'adamw']));
});

// Ops whose calls here the library serves on the CPU too. Attention's kernels are CUDA's alone; rotary, rms_norm, dropout, cumsum and topk
// have no form of the library.
const servedByLibrary = `
  adamw add add_scalar cast cos div einsum einsum_add eq erf exp gather ge gelu gelu_backward iota layer_norm layer_norm_backward log lt max
  maximum minimum neg relu rsqrt scale scatter sigmoid silu silu_backward sin softmax softmax_backward softmax_cross_entropy
  softmax_cross_entropy_backward sqrt stack sub swiglu swiglu_backward tanh unstack where`
  .trim()
  .split(/\s+/);

test.each(['f32', 'bf16'] as const)('in %s, library forms compute the same ops', async (float) => {
  const ran = new Set<string>();
  const calls = native.flatMap((op) => [small, ones].map((sizes) => training(op, sizes, float)));
  for (const { graph, inputs, what } of calls) {
    const { values } = evaluate(graph, inputs, reference);
    for (const { node, got } of await runServed(graph, values)) {
      ran.add(node.op);
      got.forEach((numbers, i) =>
        expectClose(
          numbers,
          values[node.outputs[i]],
          tolerance[float]!,
          `result ${i} of ${node.op} in ${float}, ${what}`,
        ),
      );
    }
  }
  expect([...ran].sort()).toEqual(expect.arrayContaining(servedByLibrary));
});

test('results have the same bits each time, on any number of threads', async () => {
  const gemm: OpCase = { op: 'einsum', operands: ['x0: b d', 'x1: d h'], attributes: () => ({ to: ['b', 'h'] }) };
  for (const float of ['f32', 'bf16'] as const) {
    const calls = native.filter((op) => fits(op, long)).map((op) => training(op, long, float));
    for (const call of [...calls, training(gemm, { ...long, b: 131, d: 67 }, float)]) {
      const { values } = evaluate(call.graph, call.inputs, reference);
      // One after the other: on a GPU one thread of a process launches (native/kernels/README.md).
      const one = await runNatively(engineOn(1), call.graph, values, {});
      const other = await runNatively(engineOn(2), call.graph, values, {});
      expect(other.map(({ got }) => got)).toEqual(one.map(({ got }) => got));
    }
  }
});

test('equal elements go by index, NaN first', async () => {
  const ties: OpCase = { op: 'topk', operands: ['x: a c'], attributes: () => ({ factor: 'c', k: 5 }) };
  const { graph } = training(ties, { a: 2, c: 6 }, 'f32');
  const x = Float64Array.of(1, 3, NaN, 3, -Infinity, NaN, 0, 2, 2, 2, -0, 2);
  const { values } = evaluate(graph, { x }, reference);
  const forms: readonly Readonly<Record<string, number>>[] = [{}, { aten: 1 }];
  for (const attributes of forms) {
    const [{ got }] = await runNatively(engineOn(2), graph, values, attributes);
    expect(got[0]).toEqual([2, 5, 1, 3, 0, 1, 2, 3, 5, 0]);
    expect([...values[graph.nodes[0].outputs[0]]]).toEqual(got[0]);
  }
});

testOnCpu('ownKernels')('a call that does not fit a kernel is refused, with what must hold', async () => {
  const at = (offset: number, ...sizes: number[]) => view('f32', offset, ...sizes);
  const refusals: [Partial<KernelLaunch>, RegExp][] = [
    [{ kernel: 'matmul', operands: [at(0, 1, 2, 3), at(64, 1, 3, 4), at(128, 1, 2, 4)] }, /bytes of workspace, got 0/],
    [{ kernel: 'matmul', operands: [at(0, 1, 2, 3), at(64, 1, 4, 4), at(128, 1, 2, 4)] }, /a\[b m k\], b\[b k n\]/],
    [{ kernel: 'softmax', operands: [at(0, 2, 3)] }, /takes 2 operands, got 1/],
    [{ kernel: 'scale', operands: [at(0, 2, 3), at(64, 2, 3)] }, /needs the attribute factor/],
    [
      { kernel: 'softmax', operands: [{ ...at(0, 2, 3), strides: [1, 2] }, at(64, 2, 3)] },
      /operand 0 needs unit stride in its last dimension/,
    ],
  ];
  for (const [call, why] of refusals) {
    const launch = { kind: 'kernel', reads: 0, scratch: null, attributes: {}, at: 'test', ...call } as KernelLaunch;
    const error = await engineOn(1)
      .load({ groups: [], launches: [launch] })
      .then(
        () => null,
        (reason: NativeError) => reason,
      );
    expect(error?.code).toBe('engine/program-invalid');
    expect(error?.diagnostic.why).toMatch(why);
  }
});

type Attributes = KernelLaunch['attributes'];

/** Runs each node of a training graph natively on the reference's inputs. Returns the names of the ops that ran. */
async function expectMeaning(
  engine: AddonEngine,
  call: Call,
  float: DType,
  attributes: Attributes = {},
): Promise<string[]> {
  const { values } = evaluate(call.graph, call.inputs, reference);
  const results = await runNatively(engine, call.graph, values, attributes);
  for (const { node, got } of results)
    got.forEach((numbers, i) => {
      const what = `result ${i} of ${node.op} in ${float}, ${call.what}`;
      expectClose(numbers, values[node.outputs[i]], tolerance[float]!, what);
    });
  return results.map(({ node }) => node.op);
}

interface NativeResult {
  readonly node: Node;
  readonly got: readonly (readonly number[])[];
}

/** Results of the nodes that have kernels, all in one program, each on inputs of its own. `attributes` join every launch's. */
async function runNatively(
  engine: AddonEngine,
  graph: Graph,
  values: readonly Float64Array[],
  attributes: Attributes,
  nodes: readonly Node[] = graph.nodes,
): Promise<readonly NativeResult[]> {
  const served = nodes.filter(({ op }) => hasNativeKernel(op, testDeviceType));
  const runs = served.map((node) => ({ site: siteOf(graph, node), inputs: node.inputs.map((id) => values[id]) }));
  const results = await runSites(engine, arenaBytes, runs, attributes);
  return served.map((node, i) => ({ node, got: results[i] }));
}

/** Results of the nodes whose launches the library takes: on the CPU the addon refuses the others when it loads them. */
async function runServed(graph: Graph, values: readonly Float64Array[]): Promise<readonly NativeResult[]> {
  const results: NativeResult[] = [];
  for (const node of graph.nodes) {
    try {
      results.push(...(await runNatively(engineOn(1), graph, values, { library: 1 }, [node])));
    } catch (error) {
      expect((error as NativeError).diagnostic.why).toMatch(/the library has no kernel on the CPU for this call/);
    }
  }
  return results;
}

/** A node on blocks without gaps. */
const siteOf = (graph: Graph, { op, rule, attributes, inputs, outputs }: Node): KernelSite => ({
  op,
  rule,
  attributes,
  inputs: inputs.map((id) => contiguous(graph.values[id].type)),
  outputs: outputs.map((id) => contiguous(graph.values[id].type)),
  accumulates: outputs.map(() => false),
  sameInputs: inputs.every((id) => id === inputs[0]),
  origins: {},
});

/** An op's call and its gradients, as a graph with data. */
interface Call {
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, Float64Array>>;
  readonly what: string;
}

function training(op: OpCase, sizes: FactorSizes, float: DType): Call {
  const { builder, operands, results, resultNames, inputs } = buildCase(op, sizes, ops, float);
  const definition = ops.get(op.op)!;
  const given: Record<string, Float64Array> = { ...inputs };
  if (definition.backward) {
    const seeds = results
      .filter((result, i) => isFloat(result.dtype) && !definition.residuals?.includes(resultNames[i]))
      .map((value, i) => {
        const cotangent = builder.input(`seed${i}`, 'value', value.type).as(value.names);
        const count = value.factors.reduce((n, f) => n * f.size, 1);
        given[`seed${i}`] = Float64Array.from({ length: count }, (_, k) => Math.cos(k + i));
        return { value, cotangent };
      });
    gradients(
      builder,
      seeds,
      operands.filter((operand) => isFloat(operand.dtype)),
    );
  }
  return { graph: builder.build(), inputs: given, what: `${op.operands} at ${JSON.stringify(sizes)}` };
}

/** ‖Δ‖ ≤ tolerance · ‖wanted‖, with a floor for results that are zero in theory. */
function expectClose(got: readonly number[], wanted: ArrayLike<number>, limit: number, what: string): void {
  let [difference, norm] = [0, 0];
  got.forEach((value, i) => {
    if (Object.is(value, wanted[i]) || value === wanted[i]) norm += Number.isFinite(value) ? value * value : 0;
    else {
      difference += (value - wanted[i]) ** 2;
      norm += wanted[i] ** 2;
    }
  });
  expect(Math.sqrt(difference), what).toBeLessThanOrEqual(
    limit * Math.sqrt(norm) + limit * 1e-1 * Math.sqrt(got.length),
  );
}
