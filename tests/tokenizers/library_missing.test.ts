import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { trainBpe } from '../../src/data/bpe_trainer.js';
import { atOnce } from '../../src/data/in_parts.js';
import { built } from '../setup/built.js';

const folder = mkdtempSync(path.join(tmpdir(), 'flotilla-no-library-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('where the library has no build for a machine, a message says so, and our own vocabularies are read', () => {
  // The built program, with no packages around it.
  const source = path.dirname(built(new URL('../../src/index.ts', import.meta.url)));
  for (const part of ['data', 'ir', 'options'])
    cpSync(path.join(source, part), path.join(folder, part), { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  const own = path.join(folder, 'own.json');
  writeFileSync(own, JSON.stringify(atOnce(trainBpe(['the mill by the river'], { vocab: 260 }))));
  const theirs = fileURLToPath(new URL('fixtures/gpt2.json', import.meta.url));
  const program = `
    import { loadTokenizer } from './data/tokenizer.js';
    const own = loadTokenizer(${JSON.stringify(own)});
    console.log(own.decode(own.encode('the river')));
    try { loadTokenizer(${JSON.stringify(theirs)}); } catch (error) { console.log(error.message); }`;
  writeFileSync(path.join(folder, 'program.js'), program);
  const output = execFileSync(process.execPath, [path.join(folder, 'program.js')], { encoding: 'utf8' });
  expect(output).toMatch(/^the river\n/);
  expect(output).toContain('data/tokenizer-library-missing');
  expect(output).toContain(theirs);
  expect(output).toContain('npm install --include=optional');
});
