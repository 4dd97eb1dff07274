import { expect, test } from 'vitest';
import { systemProblem } from './system_error.js';

const error = (code: string) => Object.assign(new Error(`${code}: as Node says it, open '/x'`), { code });

test.each(
  'ENOENT EACCES EPERM EROFS ENOSPC EDQUOT ELOOP ENAMETOOLONG ENOTDIR EISDIR EEXIST EMFILE ENFILE EIO ENXIO EBUSY'.split(
    ' ',
  ),
)('%s is said in words, with what to do', (code) => {
  const { problem, remedy } = systemProblem(error(code));
  expect(problem).toMatch(new RegExp(`^[a-z].* \\(${code}\\)$`));
  expect(remedy).toMatch(/^[a-z].*[^.]$/);
});

test('what is not the system’s keeps its words', () => {
  expect(systemProblem(new Error('it is not JSON'))).toEqual({ problem: 'it is not JSON', remedy: null });
  expect(systemProblem(error('ECONNREFUSED')).remedy).toBeNull();
  expect(systemProblem(error('constructor')).remedy).toBeNull();
  expect(systemProblem('x')).toEqual({ problem: 'x', remedy: null });
});
