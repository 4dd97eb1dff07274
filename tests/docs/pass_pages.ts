/** docs/passes/: one page a pass, made of its worked examples. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import type { PassExample, Shown } from '../../src/passes/example.js';

export interface DocumentedPass {
  readonly name: string;
  readonly about: string;
  /** The file of the pass, from the root. */
  readonly file: string;
}

/** Pass → Markdown. */
export function passPages(
  root: string,
  passes: readonly DocumentedPass[],
  examples: readonly PassExample[],
): ReadonlyMap<string, string> {
  return new Map(
    passes.map((pass, i) => {
      const own = examples.filter((example) => example.pass === pass.name);
      return [pass.name, page(root, pass, passes[i - 1], passes[i + 1], own)];
    }),
  );
}

function page(
  root: string,
  { name, about, file }: DocumentedPass,
  before: DocumentedPass | undefined,
  after: DocumentedPass | undefined,
  examples: readonly PassExample[],
): string {
  const link = (pass: DocumentedPass) => `[${pass.name}](${pass.name}.md)`;
  const order = [
    before && `It comes after ${link(before)}`,
    after && `${before ? 'before' : 'It comes before'} ${link(after)}`,
  ];
  return [
    `# ${name}`,
    `${about[0].toUpperCase()}${about.slice(1)}.`,
    `The pass is [${file}](../../${file}). ${order.filter(Boolean).join(' and ')}. What it leaves of your own model: ` +
      `\`flotilla explain CONFIG --dump-ir=after:${name}\`.`,
    ...examples.map((example) => section(root, example)),
    '',
  ].join('\n\n');
}

function section(root: string, example: PassExample): string {
  const given = example.given();
  const blocks = example.before(given).map((shown) => block(shown.heading, ...textOf(root, shown)));
  return [`## ${example.title}`, example.about, ...blocks, block('After', example.after(example.run(given)))].join(
    '\n\n',
  );
}

const block = (heading: string, text: string, language = ''): string =>
  `**${heading}**\n\n\`\`\`${language}\n${text.trimEnd()}\n\`\`\``;

function textOf(root: string, shown: Shown): [text: string, language?: string] {
  if ('text' in shown) return [shown.text];
  const source = ts.createSourceFile(
    shown.file,
    readFileSync(path.join(root, shown.file), 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  );
  const found = source.statements.find(
    (statement) => ts.isClassDeclaration(statement) && statement.name?.text === shown.declaration,
  );
  if (!found) throw new Error(`${shown.file} declares no class ${shown.declaration}`);
  return [found.getText(), 'ts'];
}
