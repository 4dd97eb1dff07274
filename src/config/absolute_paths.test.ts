import { expect, test } from 'vitest';
import { absolutePaths } from './absolute_paths.js';
import { resolveConfig } from './resolve.js';

const absolute = (options: object, root = '/work/here') => absolutePaths(resolveConfig(options).config, root);

test('every path of a configuration is made absolute once, and is then left as it is', () => {
  const config = absolute({
    model: { family: 'custom', name: 'Mine', module: 'mine.ts' },
    data: { paths: ['text', '../other/**/*.md', '/abs/x.txt'], tokenizer: { file: 'tokenizer.json' }, cache: 'cache' },
    plan: 'plans/mine.json',
    checkpoint: { directory: 'saved', initial_load_path: 'runs/a' },
  });
  expect(config).toMatchObject({
    model: { module: '/work/here/mine.ts' },
    data: {
      paths: ['/work/here/text', '/work/other/**/*.md', '/abs/x.txt'],
      tokenizer: { file: '/work/here/tokenizer.json' },
      cache: '/work/here/cache',
    },
    plan: '/work/here/plans/mine.json',
    checkpoint: { directory: '/work/here/saved', initial_load_path: '/work/here/runs/a' },
    logging: { directory: '/work/here/runs' },
  });
  expect(absolutePaths(config, '/elsewhere')).toEqual(config);
});

test('what is no path stays: auto, null, sizes', () => {
  const config = absolute({ plan: 'auto' });
  expect(config).toMatchObject({ plan: 'auto', data: { paths: null, tokenizer: { file: null } } });
  expect(config.data.cache).toBe('/work/here/.cache/flotilla');
  expect(absolute({ plan: { data_parallel_size: 2 } }).plan).toMatchObject({ data_parallel_size: 2 });
});

test('wildcards in the name of the working directory are letters', () => {
  expect(absolute({ data: { paths: ['*.md', 'a'] } }, '/w/[x]').data.paths).toEqual(['/w/[[]x]/*.md', '/w/[x]/a']);
});
