/**
 * Our tokenizers beside Python's, on texts that tokenizers disagree on.
 *
 *     npx tsx tests/tokenizers/compare.ts                          the fixtures on the 5,000 texts of the tests
 *     npx tsx tests/tokenizers/compare.ts --seed 7 --texts 20000   other texts
 *     npx tsx tests/tokenizers/compare.ts FILE…                    other tokenizer.json
 *     npx tsx tests/tokenizers/compare.ts --write                  makes the fixtures anew, and what the tests expect of them
 *
 * Python's library goes into an environment of its own, .cache/tokenizers-reference below the project.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadTokenizer } from '../../src/data/tokenizer.js';
import { expectedOf, wholeEvery, type Expected, type Readings } from './expected.js';
import { hardStrings } from './hard_strings.js';
import { readingsOf } from './readings.js';

/** What the addon has inside. */
const version = '0.22.2';
const here = path.dirname(fileURLToPath(import.meta.url));
const fixtures = path.join(here, 'fixtures');

const { values, positionals } = parseArgs({
  options: {
    write: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    texts: { type: 'string', default: '5000' },
  },
  allowPositionals: true,
});

const python = environment();
if (values.write) execFileSync(python, [path.join(here, 'fixtures.py'), fixtures], { stdio: 'inherit' });
const files = new Map(
  positionals.length > 0
    ? positionals.map((file) => [file, path.resolve(file)])
    : readdirSync(fixtures).map((name) => [path.basename(name, '.json'), path.join(fixtures, name)]),
);
const texts = hardStrings(Number(values.texts), Number(values.seed));
const expected: Record<string, Expected> = {};
let differences = 0;
for (const [name, file] of files) {
  const theirs = referenceReadings(file);
  if (values.write) {
    expected[name] = expectedOf(theirs);
    continue;
  }
  const ours = readingsOf(loadTokenizer(file), texts);
  let different = 0;
  for (const [i, text] of texts.entries()) {
    if (JSON.stringify(ours[i]) === JSON.stringify(theirs[i])) continue;
    if (++different <= 3) console.log({ text, ours: JSON.stringify(ours[i]), theirs: JSON.stringify(theirs[i]) });
  }
  differences += different;
  console.log(`${name.padEnd(20)} ${different} of ${texts.length} texts differ`);
}
if (values.write) writeFileSync(path.join(here, 'expected.json'), `${JSON.stringify(expected, null, 1)}\n`);
process.exitCode = differences > 0 ? 1 : 0;

/** Python's readings of the texts. */
function referenceReadings(file: string): Readings {
  const input = JSON.stringify({ file, texts, wholeEvery });
  const { status, stdout, stderr } = spawnSync(python, [path.join(here, 'reference.py')], {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
  if (status !== 0) throw new Error(`${file}: ${stderr}`);
  return JSON.parse(stdout) as Readings;
}

/** The Python of an environment that has the library; made where there is none. */
function environment(): string {
  const folder = path.resolve(here, '../../.cache/tokenizers-reference', version);
  const python = path.join(folder, 'bin', 'python');
  if (!existsSync(python)) {
    mkdirSync(folder, { recursive: true });
    execFileSync('python3', ['-m', 'venv', folder]);
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', `tokenizers==${version}`], { stdio: 'inherit' });
  }
  return python;
}
