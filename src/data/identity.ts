/** What a description of data comes to: which files, whether they are as they were, and the key of the data set that they make. */
import { statSync, type Stats } from 'node:fs';
import { resolve } from 'node:path';
import type { Corpus } from './corpus.js';
import { findFiles, findInstalledSources, type SourceFile } from './find_files.js';
import { sha256 } from './hash.js';
import type { TextSource } from './source.js';
import type { Tokenizer } from './tokenizer.js';

/** Raised when a change to the preparation makes other data sets of the same text. */
const RECIPE = 1;

/** The files that a source names now. Throws `data/not-found`, `data/no-installed-sources`. */
export const sourceFiles = ({ paths }: TextSource, root: string): readonly SourceFile[] =>
  paths === null ? findInstalledSources(root) : findFiles(paths, root);

/** The tokenizer.json that a source names; null where one is trained. */
export const tokenizerFileOf = ({ tokenizer }: TextSource, root: string): string | null =>
  tokenizer.file === null ? null : resolve(root, tokenizer.file);

/** What decides whether text must be read again. */
export function signatureOf(source: TextSource, files: readonly SourceFile[], tokenizerFile: string | null): string {
  const times = files.flatMap(({ file, bytes, changedMs }) => [file, `${bytes} ${changedMs}`]);
  const status = tokenizerFile === null ? null : statusOf(tokenizerFile);
  return sha256([`${RECIPE}`, JSON.stringify(source), `${status?.size} ${status?.ctimeMs}`, ...times]);
}

/** Null where there is nothing that can be looked at: reading it then says why. */
function statusOf(file: string): Stats | null {
  try {
    return statSync(file);
  } catch {
    return null;
  }
}

/** What decides what the data set holds. Not where the files lie. */
export function keyOf({ tokenizer, validation_fraction }: TextSource, corpus: Corpus, given: Tokenizer | null): string {
  const recipe = [`${RECIPE}`, JSON.stringify(validation_fraction), given?.fingerprint ?? JSON.stringify(tokenizer)];
  return sha256([...recipe, tokenizer.separator ?? '', corpus.hash]);
}
