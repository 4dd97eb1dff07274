/** The text that a data set was prepared from, looked at again. Writes nothing. */
import { resolve } from 'node:path';
import { DiagnosticError } from '../ir/diagnostic.js';
import { DataCache } from './cache.js';
import { readCorpus, type ReadSource } from './corpus.js';
import { keyOf, signatureOf, sourceFiles, tokenizerFileOf } from './identity.js';
import { withRests, type HowFar } from './in_parts.js';
import type { TextSource } from './source.js';
import { loadTokenizerInParts } from './tokenizer.js';

export interface LookOptions {
  /** As `prepareData` takes them. */
  readonly root: string;
  readonly cacheDir: string;
  /** SHA-256 of what the data set was made from. */
  readonly key: string;
}

export type SourcesNow =
  /** They make the same data set. */
  | { readonly kind: 'same' }
  /** They make another one. */
  | { readonly kind: 'changed'; readonly key: string; readonly sources: readonly ReadSource[] }
  /** They cannot be read any more. */
  | { readonly kind: 'unreadable'; readonly error: DiagnosticError };

/** Reads text only where names, sizes or times are others than those that led to the key before. */
export async function lookAtSources(
  source: TextSource,
  { root, cacheDir, key }: LookOptions,
  tell: (how: HowFar) => void,
): Promise<SourcesNow> {
  try {
    const files = sourceFiles(source, root);
    const tokenizerFile = tokenizerFileOf(source, root);
    const signature = signatureOf(source, files, tokenizerFile);
    if (new DataCache(resolve(root, cacheDir)).seen(signature) === key) return { kind: 'same' };
    const corpus = await readCorpus(files, source, tell);
    const given = tokenizerFile === null ? null : await withRests(loadTokenizerInParts(tokenizerFile), tell);
    const now = keyOf(source, corpus, given);
    return now === key ? { kind: 'same' } : { kind: 'changed', key: now, sources: corpus.sources };
  } catch (error) {
    if (error instanceof DiagnosticError) return { kind: 'unreadable', error };
    throw error;
  }
}
