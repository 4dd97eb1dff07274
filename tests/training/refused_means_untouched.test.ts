import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { explainTarget } from '../../src/train/explain_target.js';
import { generate } from '../../src/train/generate.js';
import { surroundings } from '../../src/cli/surroundings.js';
import { resumeRun, trainWith } from '../../src/launch/train.js';
import { declaredErrors } from '../docs/error_pages.js';
import { foldersWithoutRow, refusals, withoutRow, type Command, type Refusal } from './refusals.js';
import { folderBytes } from './folder_bytes.js';
import { ownModel } from './model_refusals.js';
import { Workplace } from './tiny_run.js';

// A command that is refused changes nothing: not a byte of the run's folder, nor of any other beside it.

const work = new Workplace();
const runs = work.file('runs');
beforeAll(async () => {
  await work.train('good', { steps: 2 });
  await work.train('other', { steps: 2 });
  await work.train('own', { steps: 2, model: ownModel() });
});
afterAll(() => work.remove());

function give(
  command: Command,
  run: string,
  { overrides, options, checkpoint, model: wrong }: Refusal,
): Promise<unknown> {
  const changes = overrides?.(work) ?? [];
  const at = checkpoint === undefined ? {} : { checkpoint };
  const model = wrong?.();
  const own = model ? { model } : {};
  switch (command) {
    case 'train': {
      const { logging, ...given } = options?.(work) ?? {};
      const all = work.options('refused', { ...given, ...own });
      return trainWith(surroundings, { ...all, logging: { ...all.logging, ...logging } });
    }
    case 'resume':
      return resumeRun(surroundings, run, { overrides: changes, ...at, ...own });
    case 'generate':
      return generate(run, { tokens: 1, temperature: 0, top_k: 0, ...at, ...own });
    case 'explain':
      return explainTarget(run, { overrides: changes, ...at, ...own });
  }
}

const cases = refusals.flatMap((refusal) => refusal.commands.map((command) => ({ command, refusal })));
test.each(cases.map(({ command, refusal }) => [command, refusal.code, refusal] as const))(
  '%s refused with %s leaves every byte',
  async (command, code, refusal) => {
    const run = work.file('runs', 'refused');
    rmSync(run, { recursive: true, force: true });
    cpSync(work.file('runs', refusal.model ? 'own' : 'good'), run, { recursive: true });
    const undo = refusal.prepare?.(run, work);
    try {
      const before = folderBytes(runs);
      const error = await give(command, run, refusal).then(
        () => null,
        (e: unknown) => e as Error,
      );
      expect(error, error?.message).toMatchObject({ name: 'DiagnosticError', code });
      expect(error!.message).toMatch(/\n {2}fix {4}\S/);
      expect(folderBytes(runs)).toEqual(before);
      for (const place of ['out', 'elsewhere', 'another']) expect(existsSync(work.file('runs', place))).toBe(false);
    } finally {
      undo?.();
    }
  },
);

test('no diagnostic that the sources declare is without a case, or a reason for none', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const told = new Set(refusals.map(({ code }) => code));
  const declared = declaredErrors(root).map(({ code }) => code);
  const folderOf = (code: string) => code.split('/')[0];
  const missing = declared.filter(
    (code) => !told.has(code) && !(code in withoutRow) && !(folderOf(code) in foldersWithoutRow),
  );
  expect(missing).toEqual([]);
  // Reasons are those of codes that there are, and of none that a row refutes.
  const reasons = Object.keys(withoutRow);
  expect(reasons.filter((code) => !declared.includes(code) || folderOf(code) in foldersWithoutRow)).toEqual([]);
  const named = Object.keys(foldersWithoutRow);
  expect(named.filter((folder) => [...told].some((code) => folderOf(code) === folder))).toEqual([]);
  expect(named.filter((folder) => !declared.some((code) => folderOf(code) === folder))).toEqual([]);
  mkdirSync(runs, { recursive: true });
  expect(readdirSync(runs).sort()).toEqual(['good', 'other', 'own', 'refused']);
});
