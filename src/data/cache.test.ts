import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DataCache } from './cache.js';
import { folderWith } from './testing/folder.js';

test('a folder is whole or absent', async () => {
  const root = folderWith();
  const cache = new DataCache(root);
  await cache.make('k'.repeat(64), async (folder) => {
    writeFileSync(join(folder, 'manifest.json'), '{}');
    expect(cache.has('k'.repeat(64))).toBe(false);
  });
  expect(cache.has('k'.repeat(64))).toBe(true);
});

test('a full disk is said to be one, and leaves nothing behind', async () => {
  const root = folderWith();
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
  const made = new DataCache(root).make('k'.repeat(64), async (folder) => {
    writeFileSync(join(folder, 'train.bin.tmp'), 'half');
    throw full;
  });
  await expect(made).rejects.toThrow(/no space left on device[\s\S]*cache-not-writable/);
  expect(readdirSync(join(root, 'data'))).toEqual([]);
});

test('what another process finished first is used', async () => {
  const root = folderWith();
  const cache = new DataCache(root);
  const make = (content: string) =>
    cache.make('k'.repeat(64), async (folder) => {
      await new Promise((resume) => setTimeout(resume, 5));
      writeFileSync(join(folder, 'manifest.json'), content);
    });
  await Promise.all([make('1'), make('2')]);
  expect(readdirSync(join(root, 'data'))).toHaveLength(1);
});
