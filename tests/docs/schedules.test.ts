/** docs/schedules.md and its pictures are those that the tables make. To write them: `UPDATE=1 npx vitest run tests/docs`. */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { expect, test } from 'vitest';
import { schedulePage, schedulePictures } from './schedule_page.js';

const docs = fileURLToPath(new URL('../../docs', import.meta.url));

test('docs/schedules.md shows every schedule', async () => {
  const page = await format(schedulePage(), { parser: 'markdown', printWidth: 120, singleQuote: true });
  const file = path.join(docs, 'schedules.md');
  if (process.env.UPDATE) writeFileSync(file, page);
  expect(readFileSync(file, 'utf8')).toBe(page);
});

test('docs/schedules has a picture of every schedule, and no other', () => {
  const folder = path.join(docs, 'schedules');
  const pictures = schedulePictures();
  if (process.env.UPDATE) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    for (const [name, svg] of pictures) writeFileSync(path.join(folder, `${name}.svg`), svg);
  }
  expect(readdirSync(folder).sort()).toEqual([...pictures.keys()].map((name) => `${name}.svg`).sort());
  for (const [name, svg] of pictures) expect(readFileSync(path.join(folder, `${name}.svg`), 'utf8')).toBe(svg);
});
