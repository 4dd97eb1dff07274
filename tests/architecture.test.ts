/** The two lists of `architecture.js` are what the code is, and what README and docs show. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { folders, passes } from '../architecture.js';
import { GPT } from '../src/nn/models/gpt/gpt.js';
import { ops } from '../src/ops/index.js';
import { adamw } from '../src/optim/index.js';
import { planOfSizes } from '../src/plan/parallel_sizes.js';
import { compileTraining } from '../src/compile/compile.js';
import { passNames } from '../src/passes/pass_names.js';
import { folderFigure, passFigure } from './figures.js';

const root = new URL('..', import.meta.url);

test('every folder of src is listed, and every listed folder exists', () => {
  const present = readdirSync(new URL('src', root), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  expect(present.sort()).toEqual(folders.map(({ name }) => name).sort());
});

test('a compilation passes the listed points, in order', () => {
  expect(passNames).toEqual(passes.map(({ name }) => name));
  const seen: string[] = [];
  compileTraining({
    model: new GPT({ layers: 1, dim: 4, heads: 1, context: 4, vocab: 8 }),
    optimizer: adamw({ lr: 1e-3 }),
    plan: planOfSizes(
      {},
      1,
      {
        name: 'gpt',
        hash: '',
        segments: ['embedding', 'blocks.0', 'head'],
        factors: {},
        sizes: { sequence: [4] },
        parameters: [],
        tokenGroups: 1,
      },
      { sequences: 2, microbatch: 2 },
      { compute: 'f32', master: 'f32' },
    ),
    sequence: 4,
    registry: ops,
    target: 'reference',
    observe: (pass, print) => {
      seen.push(pass);
      expect(print().length).toBeGreaterThan(0);
    },
  });
  expect(seen).toEqual(passes.map(({ name }) => name));
});

test('the figures in README.md and docs/architecture.md are those of the lists', () => {
  for (const file of ['README.md', 'docs/architecture.md']) {
    const url = new URL(file, root);
    expect(existsSync(url), file).toBe(true);
    const text = readFileSync(url, 'utf8');
    expect(text).toContain(passFigure());
    if (file === 'docs/architecture.md') expect(text).toContain(folderFigure());
  }
});

test('docs/architecture.md leads to the page of every pass, and every pass to its file', () => {
  const text = readFileSync(new URL('docs/architecture.md', root), 'utf8');
  for (const { name, file } of passes) {
    expect(text).toContain(`](passes/${name}.md)`);
    expect(existsSync(new URL(file, root)), file).toBe(true);
  }
});
