/** What the data folder refuses. Each names the file or field and says what to do. */
import { defineDiagnostic } from '../ir/diagnostic.js';

export const dataNotFound = defineDiagnostic(
  'data/not-found',
  (p: { pattern: string; root: string; nearest: string | null }) => ({
    what: `no file, folder or glob '${p.pattern}' holds any text`,
    where: [{ at: `data '${p.pattern}'`, note: `resolved against ${p.root}` }],
    fix: p.nearest
      ? `did you mean '${p.nearest}'?`
      : 'name a text file, a folder with .txt, .md, .jsonl or source files, or a quoted glob such as "corpus/**/*.md"',
  }),
);

export const installedSourcesNotFound = defineDiagnostic('data/no-installed-sources', (p: { root: string }) => ({
  what: 'the default corpus is the TypeScript sources that npm installed, and there is no node_modules folder',
  where: [{ at: p.root, note: 'searched from here upwards' }],
  fix: 'run `npm ci` in the project, or give data of your own: --data FILE|DIR|GLOB',
}));

export const dataUnreadable = defineDiagnostic('data/unreadable', (p: { file: string; reason: string }) => ({
  what: `a data file cannot be read: ${p.reason}`,
  where: [{ at: p.file }],
  fix: 'give read permission, or leave the file out with a narrower glob',
}));

export const dataNotText = defineDiagnostic('data/not-text', (p: { file: string; reason: string }) => ({
  what: `a data file is not UTF-8 text (${p.reason})`,
  where: [{ at: p.file }],
  fix: 'convert it to UTF-8 text (for instance with iconv), or name another file',
}));

export const badJsonLine = defineDiagnostic(
  'data/bad-json-line',
  (p: { file: string; line: number; field: string; reason: string }) => ({
    what: `a line is not a JSON object with a text in '${p.field}': ${p.reason}`,
    where: [{ at: `${p.file}:${p.line}` }],
    fix: `write one object a line, as in {"${p.field}": "…"}, or name the field that holds the text: data.text(…, { field })`,
  }),
);

export const dataEmpty = defineDiagnostic('data/empty', (p: { where: string; files: number; skipped: number }) => ({
  what: `there is no text in the data: ${p.files} files found, ${p.skipped} of them skipped, none with a word in it`,
  where: [{ at: p.where }],
  fix: 'name files that hold text; --data takes .txt, .md, source files and .jsonl with a text field',
}));

/** A context that makes enough sequences, where there is one. */
function contextFix({ tokens, needed }: { tokens: number; needed: number }): readonly string[] {
  const context = Math.floor((tokens - 1) / needed);
  return context < 1 ? [] : [`lower the model's context to ${context} or less`];
}

/** Of the validation text a batch takes what there is: its size is no matter. */
const splitFix = ({ split, sequences }: { split: string; sequences: number }): string =>
  split === 'validation'
    ? 'add text, or raise data.validation_fraction'
    : `add text${sequences > 0 ? `, or lower batch.sequences (and batch.microbatch) to ${sequences} or less` : ''}`;

export const dataTooShort = defineDiagnostic(
  'data/shorter-than-one-batch',
  (p: { split: string; tokens: number; sequences: number; needed: number; context: number }) => ({
    what: `the ${p.split} data is shorter than one batch: ${p.tokens} tokens make ${p.sequences} sequences of ${p.context}, a batch takes ${p.needed}`,
    why: 'each sequence needs context tokens, and the last one a further token as its label',
    where: [{ at: `${p.split} split` }],
    fix: [splitFix(p), ...contextFix(p)].join(', or '),
  }),
);

export const vocabTooSmall = defineDiagnostic('data/vocab-too-small', (p: { vocab: number; least: number }) => ({
  what: `a byte-level vocabulary of ${p.vocab} tokens cannot hold the 256 bytes and the separator`,
  where: [{ at: 'data.tokenizer.vocab' }],
  fix: `use at least ${p.least}; 8192 suits a few megabytes of text`,
}));

export const tokenizerInvalid = defineDiagnostic('data/tokenizer-invalid', (p: { file: string; reason: string }) => ({
  what: `the tokenizer cannot be loaded: ${p.reason}`,
  where: [{ at: p.file }],
  fix: "give a Hugging Face tokenizer.json, or train one: tokenizer: { train: 'bpe', vocab: 8192 }",
}));

export const tokenizerTooSlow = defineDiagnostic(
  'data/tokenizer-too-slow',
  (p: { file: string; path: string | null; characters: number; expressions: readonly string[] }) => ({
    what: `the tokenizer finds no end to a text of ${p.characters} characters`,
    why: 'a regular expression in it has more ways to match the text than can be tried',
    where: [
      ...(p.path === null ? [] : [{ at: p.path, note: 'the text' }]),
      { at: p.file, note: 'the tokenizer' },
      ...p.expressions.slice(0, 3).map((at) => ({ at: at.slice(0, 100), note: 'a Regex in it' })),
    ],
    fix: "give another tokenizer.json, or train one: tokenizer: { train: 'bpe', vocab: 8192 }; or leave the text out",
  }),
);

export const tokenizerFailed = defineDiagnostic(
  'data/tokenizer-failed',
  (p: { file: string; path: string | null; characters: number; reason: string }) => ({
    what: `the tokenizer fails on a text of ${p.characters} characters: ${p.reason}`,
    where: [...(p.path === null ? [] : [{ at: p.path, note: 'the text' }]), { at: p.file, note: 'the tokenizer' }],
    fix: 'leave the text out, or cut it where it is longer than memory allows; or give another tokenizer.json',
  }),
);

export const tokenizerLibraryMissing = defineDiagnostic(
  'data/tokenizer-library-missing',
  (p: { file: string; platform: string; reason: string }) => ({
    what: `a tokenizer.json that was made elsewhere is read by the package @anush008/tokenizers, which cannot be loaded: ${p.reason.split('\n')[0]}`,
    why: `its compiled part is an optional package for Linux, macOS and Windows; this machine is ${p.platform}`,
    where: [{ at: p.file }],
    fix: "install again with optional packages (npm install --include=optional); or train a tokenizer, which needs no library: tokenizer: { train: 'bpe', vocab: 8192 }",
  }),
);

export const globBad = defineDiagnostic('data/glob-bad', (p: { pattern: string; reason: string }) => ({
  what: `'${p.pattern}' is no glob that files can be found by: ${p.reason}`,
  where: [{ at: `data '${p.pattern}'` }],
  fix: 'write it with a few of `**`, `*`, `?`, `[a-z]` and `{a,b}`, as in "corpus/**/*.md"',
}));

export const separatorMissing = defineDiagnostic(
  'data/no-separator-token',
  (p: { file: string; tried: readonly string[]; special: readonly string[] }) => ({
    what: 'the tokenizer has no token that could separate documents',
    where: [
      { at: p.file, note: `looked for ${p.tried.join(', ')}` },
      ...(p.special.length > 0 ? [{ at: 'its special tokens', note: p.special.slice(0, 20).join(' ') }] : []),
    ],
    fix: 'name one of its tokens: tokenizer: { file, separator: "…" }',
  }),
);

export const tokenFileCorrupt = defineDiagnostic('data/token-file-corrupt', (p: { file: string; reason: string }) => ({
  what: `a token file is damaged or not in Megatron's format: ${p.reason}`,
  where: [{ at: p.file }],
  fix: 'delete the folder that holds it; it is made again from the text at the next start',
}));

export const cacheNotWritable = defineDiagnostic(
  'data/cache-not-writable',
  (p: { folder: string; reason: string }) => ({
    what: `the data cache cannot be written: ${p.reason}`,
    where: [{ at: p.folder }],
    fix: 'free some space or give write permission, or keep the cache elsewhere: cacheDir (default .cache/flotilla)',
  }),
);

export const optionOutOfRange = defineDiagnostic(
  'data/option-out-of-range',
  (p: { field: string; value: number; range: string }) => ({
    what: `${p.field} is ${p.value}, which is outside ${p.range}`,
    where: [{ at: `data.${p.field}` }],
    fix: `choose a value in ${p.range}`,
  }),
);
