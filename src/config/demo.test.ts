import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { demoOptions } from './demo.js';
import { resolveConfig } from './resolve.js';

test('the demo learns the dictionary that npm has installed, and goes on with an entry', () => {
  const { config } = resolveConfig(demoOptions({ hasOwnData: false }), {});
  expect(config.data.paths).toHaveLength(4);
  for (const file of config.data.paths!) expect(existsSync(file)).toBe(true);
  expect(config).toMatchObject({ minutes: 5, steps: null, sample: { prompt: 'Music:' } });
});

test('with data of its own it begins where a text begins, and a short one has a short warm-up', () => {
  const options = demoOptions({ hasOwnData: true });
  const { config } = resolveConfig(options, { overrides: ['data.paths=["notes"]', 'steps=30'] });
  expect(config).toMatchObject({ data: { paths: ['notes'] }, sample: { prompt: '' }, steps: 30 });
  expect(config.optimizer).toMatchObject({ warmup_steps: 3 });
});
