/** docs/strategies.md and its pictures are those that the programs make. To write them: `UPDATE=1 npx vitest run tests/docs`. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { expect, test } from 'vitest';
import type { StrategyRow } from '../../bench/strategies/strategies.js';
import { statedStrategies, strategyPage, strategyPictures } from './strategy_page.js';

const docs = fileURLToPath(new URL('../../docs', import.meta.url));
const folder = path.join(docs, 'strategies');
/** What `npm run bench -- strategies --json docs/strategies/measured.json` wrote. */
const measured = 'measured.json';

test('docs/strategies.md and its pictures show what the program of each strategy states', async () => {
  const all = statedStrategies();
  const rows = JSON.parse(readFileSync(path.join(folder, measured), 'utf8')) as readonly StrategyRow[];
  expect(rows.map(({ name }) => name)).toEqual(all.map(({ name }) => `strategies/${name}`));
  const page = await format(strategyPage(all, rows), { parser: 'markdown', printWidth: 120, singleQuote: true });
  const pictures = strategyPictures(all);
  if (process.env.UPDATE) {
    writeFileSync(path.join(docs, 'strategies.md'), page);
    for (const [name, svg] of pictures) writeFileSync(path.join(folder, name), svg);
  }
  expect(readFileSync(path.join(docs, 'strategies.md'), 'utf8')).toBe(page);
  expect(readdirSync(folder).sort()).toEqual([...pictures.keys(), measured].sort());
  for (const [name, svg] of pictures) expect(readFileSync(path.join(folder, name), 'utf8'), name).toBe(svg);
});
