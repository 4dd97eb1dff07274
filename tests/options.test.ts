/** Every option is one thing, whichever way in: the configuration, the library's calls, the flags and the page say the same of it. */
import { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { addFlags, addOptionFlags } from '../src/cli/flags.js';
import { explainUnknownFlag } from '../src/cli/unknown_flag.js';
import { familyNames } from '../src/config/model_objects.js';
import { resolveConfig } from '../src/config/resolve.js';
import { configSchema, describeOptions, type TrainOptions } from '../src/config/schema.js';
import { installed, text } from '../src/data/index.js';
import { DiagnosticError } from '../src/ir/diagnostic.js';
import { familyNamed } from '../src/nn/models/families.js';
import { adamw } from '../src/optim/index.js';
import { optionsElsewhere } from '../src/options/elsewhere.js';
import { meantBy } from '../src/options/nearest.js';
import { groupOf, leafOf, optionRows, type OptionRow } from '../src/options/rows.js';
import { samplingOf, samplingRows } from '../src/train/generate_settings.js';

const rows = describeOptions();
const fields = rows.filter(({ group }) => !group);
const page = readFileSync('docs/config.md', 'utf8');

/** Help as it is printed, on one line. */
const helpOf = (command: Command): string =>
  command.configureHelp({ helpWidth: 10_000 }).helpInformation().replace(/ +/g, ' ');
const help = helpOf(addOptionFlags(new Command()));
const samplingHelp = helpOf(addFlags(new Command(), samplingRows()));

const valueAt = (object: unknown, path: string): unknown =>
  path.split('.').reduce((at, name) => (at as Record<string, unknown> | undefined)?.[name], object);

/** What the page says of a path, of each of its rows: families may differ in a field. */
const entriesOf = (path: string): readonly string[] =>
  [...page.matchAll(new RegExp(`\\n\\*\\*\`${path}\`\\*\\* · ([^]*?)\\n\\n`, 'g'))].map(([, line]) =>
    line.replace(/\s+/g, ' ').replaceAll('\\', ''),
  );

/** Of rows of one path, which are told in the order of the schema, the number of this one. */
const numberOf = (row: OptionRow): number => fields.filter(({ path }) => path === row.path).indexOf(row);

test.each(fields.map((row) => [`${row.path} ${row.families?.join() ?? ''}`, row] as const))(
  '%s: the page says its facts',
  (_, row) => {
    const entries = entriesOf(row.path);
    expect(entries).toHaveLength(fields.filter(({ path }) => path === row.path).length);
    const facts = entries[numberOf(row)];
    for (const fact of factsOf(row)) expect(facts).toContain(fact);
    if (row.flag) expect(facts).toContain(`flag \`--${row.flag}\``);
    if (row.families) expect(facts).toContain(`family ${row.families.join(', ')}`);
    for (const name of row.also) expect(page).toContain(`\`${name}\``);
  },
);

test.each(rows.filter(({ flag }) => flag !== null).map((row) => [`--${row.flag}`, row] as const))(
  '%s: help says its facts',
  (flag, row) => {
    const line = help.split('\n').find((one) => one.trim().startsWith(`${flag} `));
    for (const fact of row.group ? [] : factsOf(row)) expect(line).toContain(fact.replaceAll("'", ''));
    expect(line).toContain(row.description);
  },
);

test('flags have names of their own', () => {
  const names = rows.flatMap(({ flag }) => flag ?? []);
  expect(new Set(names).size).toBe(names.length);
});

test.each(familyNames)('a configuration that says nothing but its family, %s, has the defaults', (family) => {
  const parsed = configSchema.parse({ model: { family } });
  const { config } = resolveConfig({ model: { family } } as TrainOptions);
  for (const { path, default: said, families } of fields) {
    if (families !== null && !families.includes(family)) continue;
    // Where families differ: `10000 (llama), 1000000 (mixtral)`.
    const usual =
      said
        ?.split(', ')
        .find((one) => one.endsWith(` (${family})`))
        ?.replace(/ \(\w+\)$/, '') ?? said;
    if (path === 'plan' || groupOf(path) === 'plan' || path === 'model.family') continue;
    expect(JSON.stringify(valueAt(parsed, path)), path).toBe(usual);
    // Null is what follows from other fields.
    if (usual !== 'null') expect(JSON.stringify(valueAt(config, path)), path).toBe(usual);
  }
});

describe('the calls of the library have the defaults of the configuration', () => {
  const least = { vocab: 8192 };

  test.each(familyNames)('new models.%s()', (name) => {
    const { Model, schema } = familyNamed(name)!;
    const own = new Model(least as never).options;
    const { model } = resolveConfig({ model: { family: name, ...least } } as TrainOptions).config;
    expect({ family: name, ...own }).toEqual(model);
    for (const { path, default: usual, group } of optionRows(schema)) {
      // A group's defaults are those of its fields.
      if (group) continue;
      if (usual !== 'null' && usual !== null) expect(JSON.stringify(valueAt(own, path)), path).toBe(usual);
    }
  });

  test('optim.adamw(), data.text() and data.installed()', () => {
    const parsed = configSchema.parse({});
    expect(adamw()).toEqual(parsed.optimizer);
    expect(installed()).toEqual(parsed.data);
    expect(text('a.md')).toEqual({ ...parsed.data, paths: ['a.md'] });
  });

  test('generate()', () => {
    const { sample, seed } = configSchema.parse({});
    expect(samplingOf({})).toEqual({ ...sample, seed });
    for (const row of samplingRows()) {
      const line = samplingHelp.split('\n').find((one) => one.trim().startsWith(`--${row.path.replaceAll('_', '-')} `));
      for (const fact of factsOf(row)) expect(line, row.path).toContain(fact);
    }
  });
});

describe('names from elsewhere', () => {
  const alsos = rows.flatMap(({ path, also }) => also.map((name) => [name, path] as const));

  test('are no option’s own in the same group, and one option’s', () => {
    for (const [name, path] of alsos) {
      const siblings = rows.filter((row) => groupOf(row.path) === groupOf(path));
      expect(
        siblings.filter((row) => leafOf(row.path) === name && row.families === null),
        `${name} of ${path}`,
      ).toEqual([]);
      const owners = new Set(siblings.filter(({ also }) => also.includes(name)).map((row) => row.path));
      expect([...owners], name).toEqual([path]);
    }
  });

  test.each(alsos)('%s is answered with %s', (name, path) => {
    const group = groupOf(path);
    expect(meantBy(group ? `${group}.${name}` : name, rows).option?.path).toBe(path);
  });

  test.each([
    ['learning_rate', 'optimizer.lr'],
    ['learningRate', 'optimizer.lr'],
    ['batch_size', 'batch.sequences'],
    ['model.n_embd', 'model.dim'],
    ['d_model', 'model.dim'],
    ['tp', 'plan.tensor_parallel_size'],
    ['TP', 'plan.tensor_parallel_size'],
    ['model.kvHeads', 'model.kv_heads'],
    ['optimizer.weightDecay', 'optimizer.weight_decay'],
    ['max-steps', 'steps'],
    ['sample.max_new_tokens', 'sample.tokens'],
    ['model.seq_length', 'model.context'],
    ['sp_size', 'plan.context_parallel_size'],
  ])('%s finds %s wherever it is written', (name, path) => {
    expect(meantBy(name, rows).option?.path).toBe(path);
    const nested = name.split('.').reduceRight<unknown>((value, part) => ({ [part]: value }), 1);
    const error = errorOf(() => resolveConfig(nested as TrainOptions));
    expect(error).toMatchObject({ code: 'config/unknown-option', message: expect.stringContaining(`'${path}'`) });
    const override = errorOf(() =>
      resolveConfig({}, { overrides: [{ text: `${name}=1`, source: `--set ${name}=1` }] }),
    );
    expect(override.message).toMatch(`did you mean '${path}'?`);
    expect(override.message).toContain(`--set ${name}=1`);
  });
});

describe('whole names from elsewhere', () => {
  const known = Object.entries(optionsElsewhere);
  const command = addOptionFlags(new Command('train'));

  test.each(known)('%s is answered as the table says, from a configuration, --set and a flag', (name, meant) => {
    const answer = 'instead' in meant ? meant.instead : `'${meant.option}'`;
    if ('option' in meant) expect(fields.map(({ path }) => path)).toContain(meant.option);
    // Whoever writes two fields of a group is told of each.
    const nested = name.split('.').reduceRight<unknown>((value, part) => ({ [part]: value }), 1);
    expect(errorOf(() => resolveConfig(nested as TrainOptions)).diagnostic.fix).toContain(answer);
    const override = errorOf(() => resolveConfig({}, { overrides: [`${name}=1`] }));
    expect(override.diagnostic.fix).toContain(answer);
    const flags = [name, name.replaceAll('_', '-'), ...(name.includes('.') ? [] : [name.toUpperCase()])];
    for (const flag of flags) {
      const { fix } = (explainUnknownFlag(command, `--${flag}=1`) as DiagnosticError).diagnostic;
      if ('instead' in meant) expect(fix).toBe(meant.instead);
      else
        expect([`did you mean --${flagOf(meant.option)}?`, `did you mean --set ${meant.option}=…?`]).toContain(
          fix!.split('? ')[0].replace(/\??$/, '?'),
        );
      if ('note' in meant) expect(fix).toContain(meant.note);
    }
  });

  test('names of options that are here are no entries', () => {
    const here = new Set(rows.flatMap(({ path, also }) => [path, leafOf(path), ...also]));
    for (const [name, meant] of known) {
      expect(rows.map(({ path }) => path)).not.toContain(name);
      if ('instead' in meant && name === leafOf(name)) expect(here).not.toContain(name);
    }
  });

  test('a group of theirs is told field by field', () => {
    const theirs = {
      zero_optimization: { stage: 2, offload_optimizer: { device: 'cpu' } },
      parallelism: { tensor_parallel_degree: 2, expert_parallel_degree: 2 },
    };
    const { message } = errorOf(() => resolveConfig(theirs as TrainOptions));
    expect(message).toContain("no option is called 'zero_optimization.stage'");
    expect(message).toContain("did you mean 'plan.zero_stage'?");
    expect(message).toContain("unknown: parallelism.tensor_parallel_degree, perhaps 'plan.tensor_parallel_size'");
    expect(message).toContain("unknown: parallelism.expert_parallel_degree, perhaps 'plan.expert_parallel_size'");
    expect(message).toContain('unknown: zero_optimization.offload_optimizer: nothing is kept on the host');
  });

  test.each([
    ['--save', 'checkpoint.directory'],
    ['--checkpoint.folder', 'checkpoint.directory'],
    ['--clip-grad', 'optimizer.clip_grad_norm'],
    ['--tp', '--tensor-parallel-size'],
    ['--pp', '--pipeline-parallel-size'],
    ['--micro-batch-size', '--microbatch'],
    ['--zero_optimization.stage', '--zero-stage'],
    ['--parallelism.tensor_parallel_degree', '--tensor-parallel-size'],
    ['--offload_optimizer', 'nothing is kept on the host'],
    ['--local-batch-size', '--microbatch'],
    ['--tensor-paralel-size', '--tensor-parallel-size'],
  ])('the flag %s is answered with %s', (flag, answer) => {
    expect((explainUnknownFlag(command, flag) as DiagnosticError).diagnostic.fix).toContain(answer);
  });

  const flagOf = (path: string) => rows.find((row) => row.path === path)?.flag;
});

/** What is said of an option wherever it is listed: its unit, its range, its choices and its default. */
function factsOf({ unit, range, choices, default: usual }: OptionRow): readonly string[] {
  const value = usual === 'null' || usual === '""' ? null : usual?.replace(/^"(.*)"$/, '$1');
  return [unit, range, value, ...(choices.length > 1 ? choices : [])].filter((fact) => fact != null);
}

function errorOf(run: () => unknown): DiagnosticError {
  try {
    run();
  } catch (error) {
    if (error instanceof DiagnosticError) return error;
  }
  throw new Error('no diagnostic was thrown');
}
