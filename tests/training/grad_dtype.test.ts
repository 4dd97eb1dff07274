/** Runs whose gradients are summed or reduced in bf16: they learn what those in f32 learn, under every stage of ZeRO. */
import { afterAll, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { zeroStages } from '../../src/plan/plan.js';
import type { DiagnosticError } from '../../src/ir/diagnostic.js';
import { Workplace } from './tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());

const options = (stage: number) => ({
  ranks: 2,
  precision: 'bf16' as const,
  steps: 8,
  plan: { data_parallel_size: 2, zero_stage: stage },
});

test('losses with gradients in bf16 are those with gradients in f32, to bf16', async () => {
  await work.train('wide', options(0));
  const wide = work.losses('wide');
  expect(wide[0] - wide[7]).toBeGreaterThan(0.05);
  for (const stage of zeroStages) {
    await work.train(`narrow ${stage}`, { ...options(stage), grad_dtype: 'bf16' });
    const narrow = work.losses(`narrow ${stage}`);
    // The first step has updated nothing.
    expect(narrow[0]).toBe(wide[0]);
    expect(narrow.slice(1)).not.toEqual(wide.slice(1));
    narrow.forEach((loss, i) => expect(Math.abs(loss - wide[i]) / wide[i]).toBeLessThan(2 ** -9));
  }
  const plan = JSON.parse(readFileSync(work.file('runs', 'narrow 3', 'plan.json'), 'utf8')) as object;
  expect(plan).toMatchObject({ precision: { compute: 'bf16', master: 'f32', gradients: 'bf16' } });
});

test.each([
  ['f32', undefined, 'bf16'],
  ['bf16', 'bf16', 'f32'],
] as const)('a run in %s, gradients summed in %s and reduced in %s', async (precision, grad_dtype, reduce_dtype) => {
  // At stage 2 the sum of two in bf16 would be rounded to it either way.
  const plan = { data_parallel_size: 2, zero_stage: 1 };
  const given = { ...options(2), plan, precision, ...(grad_dtype && { grad_dtype }) };
  await work.train(`${precision} as summed`, given);
  await work.train(`${precision} reduced`, { ...given, reduce_dtype });
  const [plain, other] = [work.losses(`${precision} as summed`), work.losses(`${precision} reduced`)];
  expect(other[0]).toBe(plain[0]);
  expect(other.slice(1)).not.toEqual(plain.slice(1));
  other.forEach((loss, i) => expect(Math.abs(loss - plain[i]) / plain[i]).toBeLessThan(2 ** -9));
});

test.each([
  ['f64', { data_parallel_size: 2 }, 'set it to "bf16" or "f32", or remove it'],
  ['f32', { data_parallel_size: 2 }, 'remove it'],
  ['bf16', { data_parallel_size: 1 }, 'remove it'],
] as const)('gradients reduced in %s under %o is refused', async (reduce_dtype, plan, fix) => {
  const given = { precision: 'f32' as const, ranks: plan.data_parallel_size, plan, reduce_dtype };
  const error = await work.train('refused', given).catch((e: unknown) => e as DiagnosticError);
  expect(error).toMatchObject({ code: 'plan/contradiction' });
  expect((error as DiagnosticError).message).toContain(`fix    ${fix}`);
});

test('a run goes on with gradients in another type', async () => {
  await work.train('changes', { ...options(2), steps: 2 });
  await work.resume('changes', ['steps=4', 'grad_dtype=bf16']);
  expect(work.losses('changes')).toHaveLength(4);
});

test.each([
  ['f32', 'bf16', 'set it to "f32", or remove it'],
  ['bf16', 'f64', 'set it to "f32" or "bf16", or remove it'],
  ['f64', 'f32', 'set it to "f64", or remove it'],
] as const)('%s with gradients in %s is refused', async (precision, grad_dtype, fix) => {
  const error = await work.train('refused', { precision, grad_dtype }).catch((e: unknown) => e as DiagnosticError);
  expect(error).toMatchObject({ code: 'plan/contradiction' });
  expect((error as DiagnosticError).message).toContain(`fix    ${fix}`);
});
