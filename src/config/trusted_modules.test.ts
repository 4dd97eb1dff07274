import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { moduleHash } from './trusted_modules.js';

const place = mkdtempSync(join(tmpdir(), 'flotilla-trust-'));
afterAll(() => rmSync(place, { recursive: true }));

test('a module is known by what it imports by path, however the path is written', () => {
  mkdirSync(join(place, 'own'));
  const part = (name: string) => join(place, 'own', name);
  const imports = {
    'near.ts': `import { a } from './near.js';`,
    'absolute.ts': `import a from ${JSON.stringify(part('absolute.ts'))};`,
    'url.ts': `export * from "file://${part('url.ts')}";`,
    'later.ts': `const a = await import('${part('later.ts')}');`,
  };
  writeFileSync(part('model.ts'), Object.values(imports).join('\n'));
  for (const name of Object.keys(imports)) writeFileSync(part(name), 'export const a = 1;');
  const first = moduleHash(part('model.ts'));
  expect(moduleHash(part('model.ts'))).toBe(first);
  for (const name of Object.keys(imports)) {
    writeFileSync(part(name), 'export const a = 2;');
    expect(moduleHash(part('model.ts')), name).not.toBe(first);
    writeFileSync(part(name), 'export const a = 1;');
  }
});

test('a module that is moved with what it imports is the same; text that only looks like a path is none', () => {
  mkdirSync(join(place, 'here'));
  writeFileSync(join(place, 'here', 'model.ts'), `import './part.js'; const pid = '/proc/self/ns/pid';`);
  writeFileSync(join(place, 'here', 'part.ts'), 'export {};');
  cpSync(join(place, 'here'), join(place, 'there'), { recursive: true });
  expect(moduleHash(join(place, 'there', 'model.ts'))).toBe(moduleHash(join(place, 'here', 'model.ts')));
});
