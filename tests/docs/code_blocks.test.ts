/** Every code block of README.md and docs/ is compiled, run, parsed, or found where it is from: `code_blocks.ts` says how. */
import { execFile, fork, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatOf } from '../../src/config/formats.js';
import { resolveConfig } from '../../src/config/resolve.js';
import { GraphBuilder } from '../../src/ir/builder.js';
import { slotNames } from '../../src/ir/op.js';
import { parseSignature } from '../../src/ir/signature.js';
import { Tensor } from '../../src/ir/tensor.js';
import { evaluate } from '../../src/ops/evaluate.js';
import { exampleGraph, flatten } from '../../src/ops/example.js';
import { ops } from '../../src/ops/index.js';
import { folderFigure, passFigure } from '../figures.js';
import { built, flotillaFirst, flotillaMain } from '../setup/built.js';
import { codeBlocks, fileOf, pagesOf, placeOf, replaced, said, type CodeBlock } from './code_blocks.js';
import { shellCommands, type ShellCommand } from './commands.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Pages that are made from the code: `docs.test.ts`, `schedules.test.ts` and `src/config/page.test.ts` compare each with what makes it. */
const isGenerated = (page: string): boolean =>
  /^docs\/(passes|errors)\//.test(page) || ['docs/config.md', 'docs/schedules.md'].includes(page);
const isOpPage = (page: string): boolean => page.startsWith('docs/ops/');

const all = pagesOf(root)
  .filter((page) => !isGenerated(page))
  .flatMap((page) => codeBlocks(root, page));
/** Of an op's page the blocks without a language are compared with what makes them. */
const blocks = all.filter((block) => !(isOpPage(block.page) && block.language === ''));
const inLanguage = (...languages: readonly string[]) => blocks.filter(({ language }) => languages.includes(language));

/** Programs: what is no part of a source. */
const programs = inLanguage('ts').filter((block) => said(block, 'part of') === null);
const ofOps = programs.filter(({ page }) => isOpPage(page));
const ofPages = programs.filter(({ page }) => !isOpPage(page));

const configLanguages = ['json', 'jsonc', 'yaml'] as const;

const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-documents-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The folder of a page's programs, in which they run. */
const placeIn = (kind: 'typed' | 'run', { page }: CodeBlock): string =>
  path.join(folder, kind, page.replace(/\.md$/, '').replaceAll('/', '_'));
const nameOf = (block: CodeBlock): string => fileOf(block) ?? `line_${block.line}.ts`;

/** What each program printed, by its place. */
const printed = new Map<string, string>();

beforeAll(() => {
  mkdirSync(path.join(folder, 'node_modules', '@types'), { recursive: true });
  symlinkSync(root, path.join(folder, 'node_modules', 'flotilla'));
  symlinkSync(path.join(root, 'node_modules', '@types', 'node'), path.join(folder, 'node_modules', '@types', 'node'));
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  for (const block of blocks) {
    if (!programs.includes(block) && fileOf(block) === null) continue;
    write(placeIn('typed', block), nameOf(block), block.text);
    write(placeIn('run', block), nameOf(block), replaced(block));
  }
  for (const name of exampleNames) write(path.join(folder, 'run', 'examples'), name, tinyExample(name));
  writeCorpus(path.join(folder, 'run', 'examples', 'docs'));
  for (const block of [...ofPages, ...inLanguage('sh')]) writeCorpus(path.join(placeIn('run', block), 'corpus'));
});

/** Scripts that run in one process; `own_model.test.ts` and `scripts.test.ts` have what the others show. */
const exampleNames = ['early_stop.ts'];

/** An example as somebody has it who has installed the package, at a size that takes a moment. Its loss gets no better: its rate is next to 0. */
function tinyExample(name: string): string {
  const text = readFileSync(path.join(root, 'examples', name), 'utf8');
  const pairs: readonly (readonly [string, string])[] = [
    ['../src/index.js', 'flotilla'],
    ['dim: 64, heads: 4, context: 64', 'dim: 8, heads: 2, context: 8'],
    ['sequences: 8, microbatch: 8', 'sequences: 2, microbatch: 2'],
    ['every_steps: 20', 'every_steps: 1, batches: 1'],
    [
      'steps: 2000,',
      "steps: 2000, engine: 'reference', device: 'cpu', optimizer: { lr: 1e-30 }, sample: { tokens: 0 },",
    ],
    ['tokens: 40', 'tokens: 2'],
  ];
  return pairs.reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`examples/${name}: nothing to replace in it: ${from}`);
    return changed.replace(from, to);
  }, text);
}

function write(at: string, name: string, text: string): void {
  mkdirSync(at, { recursive: true });
  writeFileSync(path.join(at, name), `${text}\n`);
}

/** Text to train on: a few pages of the project's own. */
function writeCorpus(at: string): void {
  for (const page of ['docs/resume.md', 'docs/add-an-op.md', 'docs/gpu.md'])
    write(at, path.basename(page), readFileSync(path.join(root, page), 'utf8'));
}

describe('programs', () => {
  test('compile, as a project that has flotilla installed compiles them', () => {
    const files = programs.map((block) => path.join(placeIn('typed', block), nameOf(block)));
    const program = ts.createProgram(files, {
      target: ts.ScriptTarget.ES2023,
      lib: ['lib.es2023.d.ts'],
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      moduleDetection: ts.ModuleDetectionKind.Force,
      strict: true,
      skipLibCheck: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [path.join(folder, 'node_modules', '@types')],
    });
    const errors = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
      const line = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line : 0;
      const block = programs.find((one) => path.join(placeIn('typed', one), nameOf(one)) === file?.fileName);
      const place = block ? `${block.page}:${block.line + line}` : file?.fileName;
      return `${place}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
    expect(errors).toEqual([]);
  });

  test('run, in the order of their page', () => {
    const examples = exampleNames.map((name) => [`examples/${name}`, path.join(folder, 'run', 'examples'), name]);
    const steps = [...ofPages.map((block) => [placeOf(block), placeIn('run', block), nameOf(block)]), ...examples];
    // One process for all: what a page says is small, and what takes time is to start.
    write(
      folder,
      'all.ts',
      `for (const [place, folder, file] of ${JSON.stringify(steps)}) {
         process.chdir(folder);
         console.log('\\n@@ ' + place);
         await import(folder + '/' + file);
       }`,
    );
    const args = ['--import', import.meta.resolve('tsx'), path.join(folder, 'all.ts')];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: folder });
    expect(status, `${stdout.slice(-2000)}\n${stderr}`).toBe(0);
    for (const part of stdout.split('\n@@ ').slice(1)) {
      const [place, ...lines] = part.split('\n');
      printed.set(place, lines.join('\n'));
    }
    expect([...printed.keys()]).toEqual(steps.map(([place]) => place));
    expect(printed.get('examples/early_stop.ts')).toMatch(/^stopped after 4 steps at /m);
  });

  test('print what their page shows', () => {
    for (const block of inLanguage('text').filter((one) => said(one, 'printed') !== null)) {
      const before = programs.findLast(({ page, line }) => page === block.page && line < block.line);
      expect(before, placeOf(block)).toBeDefined();
      // Where a reader's files lie, pages do not know.
      const text = printed.get(placeOf(before!))?.replaceAll(placeIn('run', block), '…');
      expect(text?.trim(), placeOf(block)).toBe(block.text.trim());
    }
  });
});

test('the page of each op calls it so that its worked example holds', async () => {
  const named = new Map(ofOps.map((block) => [path.basename(block.page, '.md'), block]));
  const forward = [...ops.values()].filter(({ name }) => !name.endsWith('_backward'));
  expect([...named.keys()].sort()).toEqual(forward.map(({ name }) => name).sort());
  for (const op of forward) {
    const { inputs, graph } = exampleGraph(op, ops)!;
    const builder = new GraphBuilder(ops, 'call');
    const operands = graph.inputs.map(({ name, value }) => builder.input(name, 'data', graph.values[value].type));
    const source = ts.transpileModule(named.get(op.name)!.text, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
    }).outputText;
    const { call } = (await import(`data:text/javascript,${encodeURIComponent(source)}`)) as {
      call: (...operands: readonly Tensor[]) => Tensor | readonly Tensor[];
    };
    const made = call(...(operands.length > 0 ? operands : [builder.fill(0, 'f32', [])]));
    const results = made instanceof Tensor ? [made] : made;
    const names = slotNames(op.results, results.length).slice(0, results.length);
    results.forEach((result, i) => builder.output(names[i], result));
    const { outputs } = evaluate(builder.build(), inputs);
    for (const name of names) {
      const wanted = flatten(op.example!.gives[name]);
      expect(outputs[name].length, `${op.name}: ${name}`).toBe(wanted.length);
      wanted.forEach((value, i) => expect(outputs[name][i], `${op.name}: ${name}[${i}]`).toBeCloseTo(value, 12));
    }
  }
});

describe('commands', () => {
  const commands = inLanguage('sh').flatMap((block) =>
    shellCommands(block.text).map((command) => ({ block, command })),
  );
  const of = (block: CodeBlock) => commands.filter((one) => one.block === block).map(({ command }) => command);

  test('have flags that the CLI knows', async () => {
    const ours = commands.filter(({ command }) => command.flotilla !== null);
    const lines = ours.map(({ command }) => command.flotilla!);
    const parser = fork(built(new URL('parse_commands.ts', import.meta.url)), [JSON.stringify(lines)]);
    const verdicts = await new Promise<readonly (string | null)[]>((resolve, reject) => {
      parser.on('message', (message) => resolve(message as readonly (string | null)[]));
      parser.on('exit', (status) => reject(new Error(`the parser ended with ${status}`)));
    });
    const refused = ours.flatMap(({ block, command }, i) =>
      verdicts[i] === null ? [] : [`${placeOf(block)}: ${command.text}: ${verdicts[i]}`],
    );
    expect(refused).toEqual([]);
  });

  test('name scripts and files that there are', () => {
    const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const missing = commands.filter(({ block, command: { script, file } }) => {
      if (script !== null) return !(script in scripts) && !['ci', 'install'].includes(script);
      const isMade = file?.startsWith('.gpu/') ?? true;
      return !isMade && ![root, placeIn('run', block)].some((at) => existsSync(path.join(at, file!)));
    });
    expect(missing.map(({ block, command }) => `${placeOf(block)}: ${command.text}`)).toEqual([]);
  });

  test('are run, or say why not', async () => {
    const idle = commands.filter(({ block, command }) => command.notRun === null && said(block, 'run') === null);
    expect(idle.map(({ block, command }) => `${placeOf(block)}: ${command.text}: nobody runs it`)).toEqual([]);
    // Those of a page one after the other, pages at the same time.
    const run = inLanguage('sh').filter((one) => said(one, 'run') !== null);
    await Promise.all(
      [...new Set(run.map(({ page }) => page))].map(async (page) => {
        for (const block of run.filter((one) => one.page === page))
          for (const command of of(block)) await runCommand(block, command);
      }),
    );
  });

  async function runCommand(block: CodeBlock, { flotilla, text, notRun }: ShellCommand): Promise<void> {
    if (notRun !== null) return;
    expect(flotilla, `${placeOf(block)}: ${text}: only commands of flotilla are run`).not.toBeNull();
    const args = ['--import', flotillaFirst, flotillaMain, ...flotilla!];
    await promisify(execFile)(process.execPath, args, { cwd: placeIn('run', block) }).catch((error: Error) => {
      throw new Error(`${placeOf(block)}: ${text}: ${error.message}`, { cause: error });
    });
  }
});

test('configurations are taken', () => {
  for (const block of inLanguage(...configLanguages))
    expect(
      () => resolveConfig(formatOf(`.${block.language}`)!(block.text) as object, { source: placeOf(block) }),
      placeOf(block),
    ).not.toThrow();
});

test('parts of sources, signatures and figures are what they say', () => {
  for (const block of blocks) {
    const source = said(block, 'part of');
    if (source !== null)
      expect(readFileSync(path.join(root, source), 'utf8').includes(block.text), placeOf(block)).toBe(true);
    if (said(block, 'signature') !== null) expect(() => parseSignature(block.text), placeOf(block)).not.toThrow();
    if (said(block, 'figure') !== null) expect([passFigure(), folderFigure()], placeOf(block)).toContain(block.text);
  }
});

test('no block is left that nobody runs', () => {
  const checked = new Set([...programs, ...inLanguage('sh', ...configLanguages)]);
  const kinds = ['part of', 'signature', 'figure', 'printed'];
  const idle = blocks.filter((block) => !checked.has(block) && kinds.every((kind) => said(block, kind) === null));
  expect(idle.map((block) => `${placeOf(block)}: a block of '${block.language}' that nobody runs`)).toEqual([]);
});
