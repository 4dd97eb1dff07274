import { format } from 'prettier';
import { describe, expect, test } from 'vitest';
import { optionsPage } from './page.js';
import { describeOptions } from './schema.js';

const rows = describeOptions();

test('every option says what it means, and every number its unit', () => {
  for (const row of rows) {
    expect(row.description, row.path).toMatch(/\.$/);
    if (/integer|number/.test(row.type) && !row.group) expect(row.unit, row.path).toBeTruthy();
    if (!row.group && row.path !== 'model.name') expect(row.default, row.path).not.toBeNull();
    if (!row.group && row.type.includes('null')) expect(row.description, row.path).toMatch(/null/);
  }
});

test('no option is listed twice', () => {
  const paths = rows.filter(({ families }) => families === null).map(({ path }) => path);
  expect(new Set(paths).size).toBe(paths.length);
});

describe('rows', () => {
  const row = (path: string) => rows.find((candidate) => candidate.path === path);

  test('come with type, unit, default and range from the schema', () => {
    expect(row('optimizer.lr')).toMatchObject({ type: 'number', default: '0.0003', range: '> 0', flag: 'lr' });
    expect(row('model.layers')).toMatchObject({
      type: 'integer',
      unit: 'blocks',
      default: '6',
      range: '> 0 and ≤ 1024',
    });
    expect(row('model.vocab')).toMatchObject({ type: 'integer or null', default: 'null', families: null });
    expect(row('model.rope_base')).toMatchObject({
      families: ['llama', 'mixtral'],
      default: '10000 (llama), 1000000 (mixtral)',
    });
    expect(row('model.family')).toMatchObject({ type: "'gpt' | 'llama' | 'mixtral' | 'custom'", default: '"gpt"' });
    expect(row('data.validation_fraction')).toMatchObject({ range: '> 0 and ≤ 0.5' });
    expect(row('data.paths')).toMatchObject({ type: 'list of strings or null' });
    expect(row('model.module')).toMatchObject({ type: 'string or null' });
    expect(row('precision')).toMatchObject({ type: "'bf16' | 'f32' | 'f64'" });
    expect(row('plan.tensor_parallel_size')).toMatchObject({ type: 'integer', default: '1', group: false });
  });
});

test('docs/config.md lists the options as they are', async () => {
  const page = await format(optionsPage(), { parser: 'markdown', printWidth: 120 });
  await expect(page).toMatchFileSnapshot('../../docs/config.md');
});
