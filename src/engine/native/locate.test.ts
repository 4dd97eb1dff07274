import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { setupModule, type TorchSearch } from './locate.js';
import { examine } from './doctor.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const { locateTorch } = await setupModule<{
  locateTorch(options: { root: string; env: NodeJS.ProcessEnv }): TorchSearch;
}>('locate_torch.mjs');

/** An environment that looks as if torch were installed in it. */
function environment(name: string, version: string | null, complete = true): string {
  const root = path.join(folder, name);
  const torch = path.join(root, 'lib', 'python3.11', 'site-packages', 'torch');
  mkdirSync(path.join(torch, 'lib'), { recursive: true });
  mkdirSync(path.join(root, 'bin'));
  writeFileSync(path.join(root, 'bin', 'python3'), '');
  writeFileSync(path.join(torch, 'lib', 'libtorch_cpu.so'), '');
  if (complete) mkdirSync(path.join(torch, 'include', 'ATen'), { recursive: true });
  if (version)
    writeFileSync(path.join(torch, 'version.py'), `__version__ = '${version}'\ncuda: Optional[str] = '13.0'\n`);
  return root;
}

const project = path.join(folder, 'project');
mkdirSync(project);
const good = environment('good', '2.11.1+cu130');
const old = environment('old', '2.9.0');
const headless = environment('headless', '2.13.0', false);
/** No python3 to ask. */
const PATH = path.join(folder, 'nothing');

test('torch is found by an environment, its site-packages or the package itself, with version, CUDA and interpreter', () => {
  const torch = path.join(good, 'lib', 'python3.11', 'site-packages', 'torch');
  for (const place of [good, path.dirname(torch), torch]) {
    const { found, attempts } = locateTorch({ root: project, env: { FLOTILLA_TORCH: place, PATH } });
    expect(found).toEqual({
      source: 'FLOTILLA_TORCH',
      path: torch,
      status: 'found',
      version: '2.11.1+cu130',
      cuda: '13.0',
      python: path.join(good, 'bin', 'python3'),
      detail: null,
    });
    expect(attempts).toHaveLength(1);
  }
});

test('every place that was tried is told, with what was wrong there', () => {
  const { found, attempts } = locateTorch({ root: project, env: { LIBTORCH: old, VIRTUAL_ENV: headless, PATH } });
  expect(found).toBeNull();
  expect(attempts.map(({ source, status, detail }) => [source, status, detail])).toEqual([
    ['LIBTORCH', 'too old', '2.9.0 is older than 2.11'],
    ['.venv', 'missing', 'does not exist'],
    ['VIRTUAL_ENV', 'incomplete', 'headers or libraries are missing'],
    ['python3', 'missing', 'python3 finds no torch'],
  ]);
});

test('a torch that FLOTILLA_TORCH names is used or nothing is', () => {
  const { found, attempts } = locateTorch({ root: project, env: { FLOTILLA_TORCH: old, VIRTUAL_ENV: good, PATH } });
  expect(found).toBeNull();
  expect(attempts).toHaveLength(1);
});

test('the doctor finds this machine fit, and says what it found', async () => {
  const findings = await examine();
  expect(findings.filter(({ status }) => status === 'problem')).toEqual([]);
  expect(findings.map(({ what }) => what)).toEqual(
    expect.arrayContaining([
      'node',
      'npm packages',
      'python',
      'torch',
      'c++ compiler',
      'cmake',
      'native engine',
      'libtorch',
      'gpu',
      'backends',
      'kernels',
    ]),
  );
});
