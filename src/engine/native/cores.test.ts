import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cores } from './cores.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'flotilla-cores-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** A system of control groups as files; `own`: what /proc/self/cgroup says. */
function coresOf(available: number, own: string, files: Readonly<Record<string, string>>): number {
  for (const [name, text] of Object.entries({ ...files, own })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), `${text}\n`);
  }
  return cores(available, { mount: join(folder, 'mount'), own: join(folder, 'own') });
}

test('without a limit, all cores that the process may run on', () => {
  expect(cores(16, { mount: join(folder, 'none'), own: join(folder, 'none') })).toBe(16);
  expect(coresOf(16, '0::/a', { 'mount/a/cpu.max': 'max 100000' })).toBe(16);
  expect(coresOf(3, '4:cpu,cpuacct:/a', { 'mount/cpu,cpuacct/a/cpu.cfs_quota_us': '-1' })).toBe(3);
});

test.each([
  ['200000 100000', 2],
  ['250000 100000', 2],
  ['50000 100000', 1],
  ['3200000 100000', 16],
  ['nonsense', 16],
  ['0 0', 16],
])('a share of %s microseconds is %d of 16 cores', (max, expected) => {
  expect(coresOf(16, '0::/pod/container', { 'mount/pod/container/cpu.max': max })).toBe(expected);
});

test('groups above limit too, and the mount where the path is that of the host', () => {
  const above = { 'mount/pod/cpu.max': '400000 100000', 'mount/pod/container/cpu.max': 'max 100000' };
  expect(coresOf(16, '0::/pod/container', above)).toBe(4);
  expect(coresOf(16, '0::/kubepods/pod7/abc', { 'mount/cpu.max': '300000 100000' })).toBe(3);
});

test('the first version of control groups says it in two files', () => {
  const limit = (controller: string, group: string) => ({
    [`mount/${controller}/${group}/cpu.cfs_quota_us`]: '150000',
    [`mount/${controller}/${group}/cpu.cfs_period_us`]: '50000',
  });
  expect(coresOf(16, '5:memory:/x\n4:cpu,cpuacct:/docker/abc\n0::/', limit('cpu,cpuacct', 'docker/abc'))).toBe(3);
  expect(coresOf(16, '4:cpu:/', limit('cpu', ''))).toBe(3);
});
