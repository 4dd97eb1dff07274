/**
 * Native kernels compute what their ops mean: every op that has a kernel, and its backward, on the addon against the reference, whose
 * decompositions know nothing of them.
 */
import { afterAll, expect, test } from 'vitest';
import type { DType } from '../../ir/dtype.js';
import { dtypeBytes, isFloat } from '../../ir/dtype.js';
import type { Graph, Node } from '../../ir/graph.js';
import { hasNativeKernel, nativeLaunches } from '../../kernels/native.js';
import { contiguous, type KernelSite } from '../../kernels/site.js';
import { buildCase, cases, factorNames, type FactorSizes, type OpCase } from '../../ops/cases.js';
import { evaluate, referenceKernels } from '../../ops/evaluate.js';
import { ops } from '../../ops/index.js';
import { gradients } from '../../passes/autodiff.js';
import { loadAddon, type Engine } from './bridge.js';
import type { LoadedDType, Launch, LoadedView } from './loaded_program.js';
import { bytes } from './testing/ranks.js';
import { decode, encode } from './testing/views.js';

const arenaBytes = 1 << 26;
const engine: Engine = loadAddon().open({ device: 'cpu', threads: 2, arenaBytes });
afterAll(() => engine.close());
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

// One rounding of a result, and for sums of rounded factors (bf16 probabilities) a little more.
const tolerance: Partial<Record<DType, number>> = { f64: 1e-12, f32: 5e-6, bf16: 1.2e-2 };

for (const float of ['f32', 'bf16', 'f64'] as const) {
  test(`in ${float}, native kernels compute their ops and the ops' backwards`, async () => {
    const run = new Set<string>();
    for (const op of cases.filter(({ op }) => hasNativeKernel(op))) {
      for (const sizes of [small, ones, long]) {
        if (factorNames(op).reduce((n, name) => n * sizes[name], 1) > 7e5) continue;
        for (const name of await expectNativeNodes(op, sizes, float)) run.add(name);
      }
    }
    const expected = [...ops.keys()].filter((name) => hasNativeKernel(name) && cases.some(({ op }) => op === name));
    expect([...run].toSorted()).toEqual(expect.arrayContaining(expected));
  });
}

/** Runs each node of the op's training graph natively on the reference's inputs. Returns the names of the ops that ran. */
async function expectNativeNodes(op: OpCase, sizes: FactorSizes, float: DType): Promise<string[]> {
  const { graph, inputs } = training(op, sizes, float);
  const { values } = evaluate(graph, inputs, reference);
  const launches: Launch[] = [];
  const results: { node: Node; views: LoadedView[] }[] = [];
  let top = 0;
  const allocate = (length: number) => {
    const offset = top;
    top = Math.ceil((top + length) / 64) * 64;
    if (top > arenaBytes) throw new Error(`${op.op} does not fit the test's arena`);
    return offset;
  };
  const place = (id: number): LoadedView => {
    const { dtype, sizes, strides } = contiguous(graph.values[id].type);
    const length = sizes.reduce((n, size) => n * size, 1) * dtypeBytes[dtype];
    return { offset: allocate(length), dtype: dtype as LoadedDType, sizes, strides };
  };
  for (const node of graph.nodes.filter(({ op }) => hasNativeKernel(op))) {
    const specs = launchesOf(graph, node);
    if (!specs) continue;
    const reads = node.inputs.map(place);
    reads.forEach((view, i) => {
      const encoded = encode(view.dtype, [...values[node.inputs[i]]]);
      bytes(engine, view.offset, encoded.length).set(encoded);
    });
    const writes = node.outputs.map(place);
    results.push({ node, views: writes });
    for (const { kernel, operands, attributes, scratchBytes } of specs) {
      const views = operands.map(({ of, sizes, strides, offset = 0 }): LoadedView => {
        const whole = 'input' in of ? reads[of.input] : writes[of.output];
        return { offset: whole.offset + offset * dtypeBytes[whole.dtype as DType], dtype: whole.dtype, sizes, strides };
      });
      const scratch = scratchBytes > 0 ? { offset: allocate(scratchBytes), bytes: scratchBytes } : null;
      launches.push({ kind: 'kernel', kernel, operands: views, scratch, attributes, at: node.op });
    }
  }
  await (await engine.load({ groups: [], launches })).run();
  for (const { node, views } of results)
    views.forEach((view, i) => {
      const length = view.sizes.reduce((n, size) => n * size, 1) * dtypeBytes[view.dtype as DType];
      const got = decode(view.dtype, bytes(engine, view.offset, length));
      expectClose(
        got,
        values[node.outputs[i]],
        tolerance[float]!,
        `${node.op} ${float} result ${i} of ${op.operands} at ${JSON.stringify(sizes)}`,
      );
    });
  return results.map(({ node }) => node.op);
}

/** The kernels of a node, or null where its operands fall outside what kernels take. */
function launchesOf(graph: Graph, node: Node) {
  const site: KernelSite = {
    op: node.op,
    rule: node.rule,
    attributes: node.attributes,
    inputs: node.inputs.map((id) => contiguous(graph.values[id].type)),
    outputs: node.outputs.map((id) => contiguous(graph.values[id].type)),
    accumulates: node.outputs.map(() => false),
    sameInputs: node.inputs.every((id) => id === node.inputs[0]),
    origins: {},
  };
  try {
    return nativeLaunches(ops, site);
  } catch {
    return null;
  }
}

/** The call and its gradients. */
function training(
  op: OpCase,
  sizes: FactorSizes,
  float: DType,
): { graph: Graph; inputs: Record<string, Float64Array> } {
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
  return { graph: builder.build(), inputs: given };
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
