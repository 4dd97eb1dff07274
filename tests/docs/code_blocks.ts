/**
 * The code blocks of a page of Markdown, and what a comment above a block says of its test. Readers do not see these comments:
 *
 *     <!-- test: 'steps: 200' => 'steps: 2' ; "lr: 1" => "lr: 2" -->  is run with these words replaced: tiny, on the reference engine
 *     <!-- test: file config.json -->                                 is written to a file of that name, for the commands behind it
 *     <!-- test: run -->                                              commands: they are run in the page's folder, after its programs
 *     <!-- test: printed -->                                          text: what the block of code before it prints
 *     <!-- test: part of src/ops/silu.ts -->                          stands in that file, word for word
 *     <!-- test: signature -->                                        the signature of an op, as its parser reads it
 *     <!-- test: figure -->                                           made by tests/figures.ts
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface CodeBlock {
  /** Of the page, from the root. */
  readonly page: string;
  /** Of its first line of code, from 1 on. */
  readonly line: number;
  /** Empty where none is said. */
  readonly language: string;
  readonly text: string;
  /** What the comment above it says: words of {@link directives}, and words to replace. */
  readonly directives: readonly string[];
}

/** README.md and every page under docs/, from the root. */
export function pagesOf(root: string): readonly string[] {
  const pages = readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  return ['README.md', ...pages.filter((page) => page.endsWith('.md')).map((page) => `docs/${page}`)].sort();
}

export function codeBlocks(root: string, page: string): readonly CodeBlock[] {
  const lines = readFileSync(path.join(root, page), 'utf8').split('\n');
  const blocks: CodeBlock[] = [];
  let comment: string | null = null;
  for (let i = 0; i < lines.length; i++) {
    const fence = /^( *)(`{3,}|~{3,})(.*)$/.exec(lines[i]);
    if (!fence) {
      if (lines[i].trim() !== '') comment = /^ *<!-- test: (.*) -->$/.exec(lines[i])?.[1] ?? null;
      continue;
    }
    const [, indent, marks, language] = fence;
    const end = lines.findIndex((line, k) => k > i && line.trim() === marks);
    if (end < 0) throw new Error(`${page}:${i + 1}: a code block that does not end`);
    const text = lines.slice(i + 1, end).map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line));
    const directives = comment === null ? [] : comment.split(' ; ').map((word) => word.trim());
    blocks.push({ page, line: i + 2, language: language.trim(), text: text.join('\n'), directives });
    comment = null;
    i = end;
  }
  return blocks;
}

export const placeOf = ({ page, line }: CodeBlock): string => `${page}:${line}`;

/** The text with what its comment replaces. Throws where there is nothing to replace: the block has changed, and its comment has not. */
export function replaced(block: CodeBlock): string {
  return block.directives.reduce((text, directive) => {
    const words = /^'(.*)' => '(.*)'$/.exec(directive) ?? /^"(.*)" => "(.*)"$/.exec(directive);
    if (!words) return text;
    if (!text.includes(words[1])) throw new Error(`${placeOf(block)}: nothing to replace in it: ${words[1]}`);
    return text.replaceAll(words[1], words[2]);
  }, block.text);
}

/** The file that a block is, by its first line (`// bigram.ts`) or its comment; null where it has no name. */
export function fileOf({ text, directives }: CodeBlock): string | null {
  const said = directives.map((directive) => /^file (\S+)$/.exec(directive)?.[1]).find(Boolean);
  return said ?? /^(?:\/\/|#) ([\w-]+\.\w+)$/m.exec(text.split('\n', 1)[0])?.[1] ?? null;
}

/** What follows a word in a block's comment, as `part of FILE`; null where the word is not there. */
export function said({ directives }: CodeBlock, word: string): string | null {
  const directive = directives.find((one) => one === word || one.startsWith(`${word} `));
  return directive === undefined ? null : directive.slice(word.length).trim();
}
