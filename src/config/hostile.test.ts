import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { DiagnosticError } from '../ir/diagnostic.js';
import { loadConfig } from './file.js';
import { resolveConfig } from './resolve.js';

// Configurations that somebody has made to do harm: an error with a code, in time, or a configuration as the schema has it.

const folder = mkdtempSync(join(tmpdir(), 'flotilla-hostile-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The code of what a file's reading throws; 'none' where nothing is. Anything without a code fails the test, as does what takes long. */
async function codeOf(file: string): Promise<string> {
  const began = performance.now();
  try {
    await loadConfig(file);
    return 'none';
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    expect(error.message.length).toBeLessThan(10_000);
    // eslint-disable-next-line no-control-regex
    expect(error.message).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    return error.code;
  } finally {
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  }
}

const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const custom = { family: 'custom', name: 'Own', context: 8, vocab: 8192 };

test.each<[string, string, string]>([
  ['a prototype', '{"__proto__":{"polluted":1}}', 'config/unknown-option'],
  ['a prototype of the model', '{"model":{"family":"gpt","__proto__":{"polluted":1}}}', 'config/unknown-option'],
  ['a prototype of a prototype', '{"constructor":{"prototype":{"polluted":1}}}', 'config/unknown-option'],
  ['a prototype for a family', '{"model":{"family":"__proto__"}}', 'config/wrong-option'],
  ['a method for a field', '{"toConfig":"x","model":{"toConfig":1}}', 'config/unknown-option'],
  ['a step count of 1e999', '{"steps":1e999}', 'config/wrong-option'],
  ['minutes of 1e999', '{"minutes":1e999}', 'config/wrong-option'],
  ['a step count of 2⁵³ + 1', '{"steps":9007199254740993}', 'config/wrong-option'],
  ['a negative width', '{"model":{"dim":-1}}', 'config/wrong-option'],
  ['half a layer', '{"model":{"layers":0.5}}', 'config/wrong-option'],
  ['layers of text', '{"model":{"layers":"6"}}', 'config/wrong-option'],
  ['a list for a configuration', '[]', 'config/wrong-option'],
  ['null', 'null', 'config/wrong-option'],
  ['a number', '5', 'config/wrong-option'],
  ['null for a model', '{"model":null}', 'config/wrong-option'],
  ['a list for a model', '{"model":[]}', 'config/'],
  ['nested deeply', deep(200_000), 'config/unreadable'],
  [
    'nested deeply in options',
    `{"model":{"family":"custom","name":"A","options":${deep(5_000)}}}`,
    'config/unreadable',
  ],
  ['a name that clears the screen', '{"\\u001b[2J\\u001b]0;x\\u0007":1}', 'config/unknown-option'],
  ['a value that clears the screen', '{"precision":"\\u001b[2J\\u009b2J"}', 'config/wrong-option'],
  ['a name of a megabyte', `{"${'x'.repeat(1e6)}":1}`, 'config/unknown-option'],
  ['a value of a megabyte', `{"precision":"${'x'.repeat(1e6)}"}`, 'config/wrong-option'],
  ['ten thousand unknown fields', `{${Array.from({ length: 1e4 }, (_, i) => `"f${i}":1`)}}`, 'config/unknown-option'],
  ['what looks like data of a script', '{"data":{"kind":"text","validation_fraction":0.1}}', 'config/unknown-option'],
  [
    'what looks like its optimizer',
    '{"optimizer":{"kind":"adamw","weightDecay":0.1,"lr":null}}',
    'config/unknown-option',
  ],
  ['what looks like its schedule', '{"optimizer":{"kind":"adamw","weightDecay":0.1,"lr":{}}}', 'config/'],
  ['a model that is a folder', JSON.stringify({ model: { ...custom, module: '/tmp' } }), 'config/custom-model-lost'],
  [
    'a model that is a device',
    JSON.stringify({ model: { ...custom, module: '/dev/zero' } }),
    'config/custom-model-lost',
  ],
  [
    'a model that is JSON',
    JSON.stringify({ model: { ...custom, module: './itself.json' } }),
    'config/custom-model-lost',
  ],
  ['a model of no name', JSON.stringify({ model: { ...custom, module: '' } }), 'config/custom-model-lost'],
  ['a model with a zero byte', JSON.stringify({ model: { ...custom, module: 'a\0b.ts' } }), 'config/custom-model-lost'],
  ['text behind it', '{} {}', 'config/unreadable'],
  ['nothing', '', 'config/unreadable'],
])('a configuration that is hostile is refused: %s', async (_, content, code) => {
  const file = join(folder, 'hostile.json');
  writeFileSync(file, content);
  expect(await codeOf(file)).toMatch(new RegExp(`^${code}`));
});

test('a device, a pipe, a folder and a loop of links are refused, and not waited for', async () => {
  const place = (name: string) => join(folder, name);
  symlinkSync('/dev/zero', place('device.json'));
  execFileSync('mkfifo', [place('pipe.json')]);
  mkdirSync(place('folder.json'));
  symlinkSync(place('loop.json'), place('loop.json'));
  for (const name of ['device', 'pipe', 'folder', 'loop', 'gone'])
    expect(await codeOf(place(`${name}.json`)), name).toBe('config/unreadable');
});

const surprises = fc.constantFrom<unknown>(null, true, -1, 0.5, 1e300, '', 'x', '\u001b[2J', [], {}, [[]], [null], {
  kind: 'text',
  validation_fraction: 1,
});

test('one surprise anywhere in a configuration: it is as the schema has it, or there is an error with a code', () => {
  const whole = JSON.parse(
    JSON.stringify(resolveConfig({ steps: 5, plan: { data_parallel_size: 1 } }).config),
  ) as object;
  const families = ['gpt', 'llama', 'mixtral'].map((family) => {
    const { model } = resolveConfig({ model: { family } as never, steps: 5 }).config;
    return { ...whole, model };
  });
  const paths = (value: unknown, above: readonly string[]): readonly (readonly string[])[] =>
    typeof value !== 'object' || value === null
      ? [above]
      : [above, ...Object.entries(value).flatMap(([name, member]) => paths(member, [...above, name]))];
  const changed = fc.constantFrom(...families).chain((config) =>
    fc.tuple(fc.constantFrom(...paths(config, []).slice(1)), surprises).map(([path, surprise]) => {
      const copy = structuredClone(config) as Record<string, unknown>;
      const parent = path.slice(0, -1).reduce((at, name) => at[name] as Record<string, unknown>, copy);
      parent[path[path.length - 1]] = surprise;
      return copy;
    }),
  );
  fc.assert(
    fc.property(changed, (config) => {
      try {
        const { config: resolved } = resolveConfig(config);
        // What is accepted is whole: it resolves to itself.
        expect(resolveConfig(JSON.parse(JSON.stringify(resolved))).config).toEqual(resolved);
      } catch (error) {
        expect(error).toBeInstanceOf(DiagnosticError);
      }
    }),
    { numRuns: Number(process.env.RUNS ?? 150) },
  );
});
