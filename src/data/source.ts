/** What a user says about data: `data.text('corpus/**\/*.md', { tokenizer: { vocab: 8192 } })`. Plain values, so a run can store it. */
import type { z } from 'zod';
import { wrongOption } from '../options/diagnostics.js';
import { parseOptions } from '../options/parse.js';
import { textOf } from '../options/plain.js';
import { dataSchema } from './options.js';

/** Text data, every field filled in: `config.data`. */
export type TextSource = z.output<typeof dataSchema>;

/** What `data.text()` takes beside paths: the fields of `config.data`. */
export type TextOptions = Omit<NonNullable<z.input<typeof dataSchema>>, 'paths'>;

/**
 * Text from files, folders (searched for .txt, .md, .jsonl, .ndjson, .json and source files, also .gz and .zst) and globs (`**`, `*`, `?`, `[…]`, `{a,b}`). Throws
 * `config/unknown-option`, `config/wrong-option`.
 */
export const text = (paths: string | readonly string[], options: TextOptions = {}): TextSource =>
  parseOptions(dataSchema, { ...withoutPaths('text', options), paths: [paths].flat() }, 'options of data.text()');

/** The default corpus: TypeScript declarations and sources under node_modules, the same wherever the lockfile is the same. */
export const installed = (options: TextOptions = {}): TextSource =>
  parseOptions(dataSchema, { ...withoutPaths('installed', options), paths: null }, 'options of data.installed()');

/** Throws `config/wrong-option` where paths are given a second time. */
function withoutPaths(call: string, options: TextOptions): TextOptions {
  if (!('paths' in options)) return options;
  const source = `options of data.${call}()`;
  throw wrongOption({ option: 'paths', expected: 'left out here', given: textOf(options.paths), source });
}
