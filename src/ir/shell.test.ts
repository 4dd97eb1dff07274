import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shellWord } from './shell.js';

test('a shell reads a path as the one word that it is', () => {
  expect(shellWord('runs/demo-2026')).toBe('runs/demo-2026');
  const paths = fc.sample(fc.string({ unit: 'binary', minLength: 1 }), 200).map((text) => text.replaceAll('\0', ''));
  const words = ['/tmp/my project', "it's", '$HOME', '`x`', '-n', 'a\nb', '', ...paths].map(shellWord);
  const read = execFileSync('sh', ['-c', `printf '%s\\0' ${words.join(' ')}`], { encoding: 'utf8' });
  const given = ['/tmp/my project', "it's", '$HOME', '`x`', '-n', 'a\nb', '', ...paths];
  expect(read.split('\0').slice(0, -1)).toEqual(given.map((text) => Buffer.from(text).toString('utf8')));
});
