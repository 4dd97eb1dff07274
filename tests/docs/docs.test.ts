/** The pages that are made from the code are those in docs/. To write them: `UPDATE=1 npx vitest run tests/docs`. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { expect, test } from 'vitest';
import { passes } from '../../architecture.js';
import { Tensor } from '../../src/ir/tensor.js';
import { opPage } from '../../src/ops/page.js';
import { ops } from '../../src/ops/index.js';
import { passExamples } from '../../src/compile/pass_examples.js';
import { declaredErrors, errorPages } from './error_pages.js';
import { passPages } from './pass_pages.js';
import { tensorMembers, tensorPage } from './tensor_page.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('docs/ops has a page for each op', async () => {
  const pages = new Map<string, string>();
  for (const op of ops.values()) {
    const page = opPage(op, ops);
    if (page) pages.set(op.name, page);
  }
  await expectPages('docs/ops', pages);
});

test('docs/passes has a page for each pass, with its worked examples', async () => {
  const names = passes.map(({ name }) => name);
  expect([...new Set(passExamples.map(({ pass }) => pass))]).toEqual(names);
  await expectPages('docs/passes', passPages(root, passes, passExamples));
});

test('docs/errors tells every diagnostic, and no code is used twice', async () => {
  const errors = declaredErrors(root);
  const codes = errors.map(({ code }) => code);
  expect(codes).toEqual([...new Set(codes)]);
  await expectPages('docs/errors', errorPages(errors));
});

test('docs/tensor.md tells everything that can be called on a tensor', async () => {
  const members = tensorMembers(root).map(({ name }) => name);
  const hidden = ['constructor', 'without', 'factor', 'unary', 'binary', 'requireNumbers'];
  expect(members.toSorted()).toEqual(
    Object.getOwnPropertyNames(Tensor.prototype)
      .filter((name) => !hidden.includes(name))
      .sort(),
  );
  const page = await formatted(tensorPage(root));
  const file = path.join(root, 'docs/tensor.md');
  if (process.env.UPDATE) writeFileSync(file, page);
  expect(readFileSync(file, 'utf8')).toBe(page);
});

const formatted = (text: string): Promise<string> =>
  format(text, { parser: 'markdown', printWidth: 120, singleQuote: true });

async function expectPages(folder: string, pages: ReadonlyMap<string, string>): Promise<void> {
  const at = path.join(root, folder);
  const files = new Map<string, string>();
  for (const [name, text] of pages) files.set(`${name}.md`, await formatted(text));
  if (process.env.UPDATE) {
    rmSync(at, { recursive: true, force: true });
    mkdirSync(at, { recursive: true });
    for (const [file, text] of files) writeFileSync(path.join(at, file), text);
  }
  expect(existsSync(at) ? readdirSync(at).sort() : []).toEqual([...files.keys()].sort());
  for (const [file, text] of files) expect(readFileSync(path.join(at, file), 'utf8'), `${folder}/${file}`).toBe(text);
}
