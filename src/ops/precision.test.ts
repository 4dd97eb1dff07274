/** Decompositions compute in f32 whatever their operands: in bf16 and f32 they give the f64 result, rounded once. */
import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../ir/builder.js';
import { isFloat, type DType } from '../ir/dtype.js';
import { tensorType } from '../ir/type.js';
import { buildCase, cases, factorNames } from './cases.js';
import { evaluate, referenceKernels } from './evaluate.js';
import { ops } from './index.js';
import { roundTo } from './round.js';

const kernels = referenceKernels();
const fused = cases.filter(({ op }) => ops.get(op)!.decompose);

/** Half the distance from 1 to the next number: the relative error of one rounding. */
const unitRoundoff: Readonly<Partial<Record<DType, number>>> = { f32: 2 ** -24, bf16: 2 ** -8 };

describe.each(['f32', 'bf16'] as const)('in %s', (float) => {
  test.each(fused.map((op) => [`${op.op}(${op.operands.join(', ')})`, op] as const))('%s', (_, op) => {
    const sizes = Object.fromEntries(factorNames(op).map((name, i) => [name, 2 + (i % 3)]));
    const run = (dtype: DType, given?: Record<string, Float64Array>) => {
      const { builder, operands, results, operandNames, resultNames, inputs } = buildCase(op, sizes, ops, dtype);
      const rounded = Object.fromEntries(
        operandNames.map((name, i) => [name, roundTo(operands[i].dtype, (given ?? inputs)[name].slice())]),
      );
      results.forEach((result, i) => builder.output(resultNames[i], result));
      const dtypes = results.map((result) => result.dtype);
      return { rounded, dtypes, resultNames, outputs: evaluate(builder.build(), rounded, kernels).outputs };
    };
    const low = run(float);
    const exact = run('f64', low.rounded);
    low.resultNames.forEach((name, i) => {
      if (!isFloat(low.dtypes[i])) return;
      const wanted = exact.outputs[name];
      const size = Math.max(...Array.from(wanted, Math.abs).filter(Number.isFinite));
      wanted.forEach((w, k) => {
        // A row of attention without a key.
        if (w === -Infinity) return expect(low.outputs[name][k]).toBe(w);
        // One rounding of the result, and some ten of f32 inside, relative to the largest element.
        const bound = unitRoundoff[low.dtypes[i]]! * Math.abs(w) + 16 * unitRoundoff.f32! * Math.max(size, 1);
        expect(Math.abs(low.outputs[name][k] - w), `${name}[${k}] = ${w}`).toBeLessThanOrEqual(bound);
      });
    });
  });

  test('large scores neither overflow nor lose the sum', () => {
    const builder = new GraphBuilder(ops);
    const logits = builder.input('logits', 'data', tensorType(float, { t: 1, v: 3 }));
    const labels = builder.input('labels', 'data', tensorType('i32', { t: 1 }));
    builder.output('y', logits.cast('f32').apply('softmax'));
    builder.output('loss', logits.apply('softmax_cross_entropy', [labels]));
    const { outputs } = evaluate(builder.build(), {
      logits: Float64Array.of(8192, 8192, -8192),
      labels: Float64Array.of(0),
    });
    expect([...outputs.y]).toEqual([0.5, 0.5, 0]);
    expect(outputs.loss[0]).toBeCloseTo(Math.log(2), 2);
  });
});
