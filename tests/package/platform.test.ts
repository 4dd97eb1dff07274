/** What set-up says of a platform, decided by its name alone. */
import { expect, test } from 'vitest';
import { setupModule } from '../../src/engine/native/locate.js';

interface System {
  readonly platform: string;
  readonly arch: string;
  readonly musl: boolean;
}

const { platformVerdict, thisPlatform } = await setupModule<{
  platformVerdict(system: System): { name: string; native: boolean; text: string | null };
  thisPlatform(): { name: string; native: boolean };
}>('platform.mjs');

test('the native engine is built on Linux x86-64 with glibc, of which nothing need be said', () => {
  expect(platformVerdict({ platform: 'linux', arch: 'x64', musl: false })).toEqual({
    name: 'Linux x86-64',
    native: true,
    text: null,
  });
});

test.each([
  ['darwin', 'arm64', false, 'macOS ARM (arm64)', 'container'],
  ['darwin', 'x64', false, 'macOS x86-64', 'container'],
  ['linux', 'arm64', false, 'Linux ARM (arm64)', 'container'],
  ['linux', 'x64', true, 'Linux x86-64 with musl', 'container'],
  ['win32', 'x64', false, 'Windows x86-64', 'Windows Subsystem for Linux'],
  ['sunos', 's390x', false, 'sunos s390x', 'container'],
])('%s %s (musl: %s): one paragraph says what works and what does not', (platform, arch, musl, name, elsewhere) => {
  const verdict = platformVerdict({ platform, arch, musl });
  expect(verdict).toMatchObject({ name, native: false });
  expect(verdict.text).not.toContain('\n');
  for (const words of [name, 'What works here', '--engine reference', 'flotilla explain', 'What does not', elsewhere])
    expect(verdict.text).toContain(words);
});

test('these tests run on a platform that is known', () => {
  expect(thisPlatform().name).toContain('Linux');
});
