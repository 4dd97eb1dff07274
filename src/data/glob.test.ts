import { expect, test } from 'vitest';
import { globBase, globToRegExp, isGlob } from './glob.js';

test.each([
  ['*.md', ['a.md', '.md'], ['a.txt', 'b/a.md', 'axmd']],
  ['**/*.md', ['a.md', 'b/a.md', 'b/c/a.md'], ['a.mdx', 'b/a.md/c']],
  ['a/**', ['a/b', 'a/b/c'], ['a', 'b/a']],
  ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b'], ['ab', 'a/xb']],
  ['?.{ts,js}', ['a.ts', 'b.js'], ['ab.ts', 'a.tsx', '/.ts']],
  ['{a*,b/?}.c', ['a.c', 'axy.c', 'b/x.c'], ['b.c', 'b/xy.c']],
  ['[a-c][!0-9].txt', ['ax.txt', 'c_.txt'], ['a1.txt', 'dx.txt']],
  ['a+(b).$^', ['a+(b).$^'], ['aab.$^']],
])('%s matches what it should and no more', (pattern, yes, no) => {
  const expression = globToRegExp(pattern);
  expect(yes.filter((path) => !expression.test(path))).toEqual([]);
  expect(no.filter((path) => expression.test(path))).toEqual([]);
});

test('the base of a glob is its part without wildcards', () => {
  expect(globBase('corpus/en/**/*.md')).toBe('corpus/en');
  expect(globBase('*.md')).toBe('');
  expect(globBase('/*.md')).toBe('/');
  expect(globBase('/data/x[0-9]/y')).toBe('/data');
  expect(isGlob('a/b.txt')).toBe(false);
});
