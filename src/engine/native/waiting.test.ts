import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { built } from '../../../tests/setup/built.js';
import { addonPath } from './bridge.js';
import { waitingText, waitVariables, withWaiting } from './waiting.js';

test('the variables are there while the library is loaded, and gone afterwards', () => {
  const env: Record<string, string> = { PATH: '/bin' };
  const seen = withWaiting(() => ({ ...env }), env);
  expect(seen).toEqual({ PATH: '/bin', OMP_WAIT_POLICY: 'passive', GOMP_SPINCOUNT: '1000', KMP_BLOCKTIME: '0' });
  expect(env).toEqual({ PATH: '/bin' });
  expect(() => withWaiting(() => { throw new Error('no library'); }, env)).toThrow('no library'); // prettier-ignore
  expect(env).toEqual({ PATH: '/bin' });
  expect(waitingText(env)).toBe('a short spin, then sleep');
});

test.each(waitVariables)('whoever sets %s decides alone', (name) => {
  const env = { [name]: '1' };
  expect(withWaiting(() => ({ ...env }), env)).toEqual({ [name]: '1' });
  expect(env).toEqual({ [name]: '1' });
  expect(waitingText(env)).toBe(`${name}=1`);
});

test('GNU’s OpenMP reads them: it says so itself', () => {
  const load = (own: Record<string, string>) => {
    const env: Record<string, string | undefined> = { ...process.env, OMP_DISPLAY_ENV: 'verbose' };
    for (const name of waitVariables) delete env[name];
    const bridge = built(new URL('bridge.ts', import.meta.url));
    const code = `(await import(${JSON.stringify(bridge)})).loadAddon(${JSON.stringify(addonPath())})`;
    return spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      env: { ...env, ...own },
    }).stderr.toString();
  };
  const ours = load({});
  // Another OpenMP tells of itself in other words.
  if (!ours.includes('GOMP_SPINCOUNT')) return expect(ours).toContain('OPENMP DISPLAY ENVIRONMENT');
  expect(ours).toMatch(/GOMP_SPINCOUNT = '1000'/);
  expect(ours).toMatch(/OMP_WAIT_POLICY = 'PASSIVE'/);
  expect(load({ OMP_WAIT_POLICY: 'active' })).toMatch(/OMP_WAIT_POLICY = 'ACTIVE'/);
});
