/** What the data folder refuses. Each names the file or field and says what to do. */
import { defineDiagnostic } from '../ir/diagnostic.js';
import { counted } from '../ir/units.js';

export const dataNotFound = defineDiagnostic(
  'data/not-found',
  (p: {
    pattern: string;
    root: string;
    /** What is there instead of text; null where nothing is. */
    found: string | null;
    nearest: string | null;
  }) => ({
    what:
      p.found === null
        ? `no file, folder or glob '${p.pattern}' holds any text`
        : `'${p.pattern}' is ${p.found}, and holds no text`,
    where: [{ at: `data.paths '${p.pattern}'`, note: `resolved against ${p.root}` }],
    fix: p.nearest
      ? `did you mean '${p.nearest}'?`
      : 'name a text file, a folder with .txt, .md, .jsonl, .json or source files (also .gz and .zst), or a quoted glob such as "corpus/**/*.md"',
  }),
);

export const installedSourcesNotFound = defineDiagnostic('data/no-installed-sources', (p: { root: string }) => ({
  what: 'the default corpus is the TypeScript sources that npm installed, and there is no node_modules folder',
  where: [{ at: p.root, note: 'searched from here upwards' }],
  fix: 'run `npm ci` in the project, or give data of your own: --data FILE|DIR|GLOB',
}));

export const dataUnreadable = defineDiagnostic(
  'data/unreadable',
  (p: { file: string; reason: string; remedy?: string | null }) => ({
    what: `a data file cannot be read: ${p.reason}`,
    where: [{ at: p.file }],
    fix: p.remedy ?? 'leave the file out with a narrower glob, or bring it back from where it came from',
  }),
);

export const dataNotText = defineDiagnostic('data/not-text', (p: { file: string; reason: string }) => ({
  what: `a data file is not UTF-8 text: ${p.reason}`,
  where: [{ at: p.file }],
  fix: 'convert it to UTF-8 text (for instance with iconv), or name another file; .gz and .zst are read as they are',
}));

export const badJsonLine = defineDiagnostic(
  'data/bad-json-line',
  (p: {
    file: string;
    /** The first that is bad, and how many are, of how many. */
    line: number;
    count: number;
    records: number;
    field: string;
    reason: string;
    /** The field that is likely meant; null where none is. */
    meant: string | null;
  }) => ({
    what: `${p.count === 1 ? 'a record is' : `${p.count} of ${p.records} records are`} not a JSON object with a text in '${p.field}': ${p.reason}`,
    where: [{ at: `${p.file}:${p.line}`, ...(p.count > 1 && { note: 'the first of them' }) }],
    fix: p.meant
      ? `did you mean '${p.meant}'? Set data.field to it`
      : `write objects such as {"${p.field}": "…"}, one a line or in a list, or name the field that holds the text: data.field, as in a or a.b; null leaves a record out; to train on the file as it stands, give it another name, such as .txt`,
  }),
);

export const dataEmpty = defineDiagnostic(
  'data/empty',
  (p: { where: string; files: number; skipped: readonly string[] }) => ({
    what: `there is no text in the data: ${counted(p.files, 'file')} found, ${p.skipped.length} skipped, none with a word in it`,
    why: p.skipped.length === 0 ? undefined : p.skipped.slice(0, 3).join('; '),
    where: [{ at: p.where }],
    fix: 'name files that hold text; data.paths takes .txt, .md, source files, and .jsonl, .ndjson and .json with a text field (data.field)',
  }),
);

/** A split of the text, and what it has to have. */
export interface SplitNeeds {
  readonly tokens: number;
  /** Sequences. */
  readonly needed: number;
}

interface TooShort extends SplitNeeds {
  readonly split: string;
  readonly sequences: number;
  readonly context: number;
  /** The other split: what is offered is enough for both. Null where there is none. */
  readonly other: SplitNeeds | null;
  /** Documents that were left out since others have their text. */
  readonly dropped: number;
}

/** Changes that are enough: of the validation text a batch takes what there is, so that its size is no matter. */
function enough({ split, tokens, needed, sequences, context, other }: TooShort): readonly string[] {
  const most = Math.min(
    ...[{ tokens, needed }, ...(other ? [other] : [])].map((p) => Math.floor((p.tokens - 1) / p.needed)),
  );
  const otherHas = other === null || Math.floor((other.tokens - 1) / context) >= 1;
  return [
    ...(split === 'validation' ? ['raise data.validation_fraction'] : []),
    ...(split === 'training' && sequences > 0 && otherHas
      ? [`lower batch.sequences (and batch.microbatch) to ${sequences} or less`]
      : []),
    ...(most < 1 ? [] : [`lower the model's context to ${most} or less`]),
  ];
}

export const dataTooShort = defineDiagnostic('data/shorter-than-one-batch', (p: TooShort) => ({
  what: `the ${p.split} data is shorter than one batch: ${counted(p.tokens, 'token')} make ${counted(p.sequences, 'sequence')} of ${p.context}, a batch takes ${p.needed}`,
  why: `each sequence needs context tokens, and the last one a further token as its label: ${p.needed * p.context + 1} are enough${p.dropped > 0 ? `; ${counted(p.dropped, 'document')} ${p.dropped === 1 ? 'was' : 'were'} left out, since others have ${p.dropped === 1 ? 'its' : 'their'} text` : ''}`,
  where: [{ at: `${p.split} split` }],
  fix: ['add text', ...enough(p)].join(', or '),
}));

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

export const idOutsideVocabulary = defineDiagnostic(
  'data/id-outside-vocabulary',
  (p: { file: string; position: number; id: number; vocab: number }) => ({
    what: `token ${p.position} is ${p.id}, and the ids of its vocabulary end at ${p.vocab - 1}`,
    why: 'the embedding has no row for it: another tokenizer made it, or the file is damaged',
    where: [{ at: p.file, note: `token ${p.position}` }],
    fix: 'delete the folder that holds it; it is made again from the text at the next start. Where it comes back, the tokenizer.json gives ids that it has no token for: mend that, or train one',
  }),
);

export const cacheNotWritable = defineDiagnostic(
  'data/cache-not-writable',
  (p: { folder: string; reason: string; remedy: string | null }) => ({
    what: `the data cache cannot be written: ${p.reason}`,
    where: [{ at: p.folder }],
    fix: `${p.remedy === null ? '' : `${p.remedy}; or `}keep the cache elsewhere: data.cache (.cache/flotilla in the working directory where it is not set)`,
  }),
);

export const noTemporaryFolder = defineDiagnostic(
  'data/no-temporary-folder',
  (p: { parent: string; isSet: boolean; problem: string; remedy: string | null }) => ({
    what: `no temporary folder can be made in ${p.parent}: ${p.problem}`,
    why: 'the processes of a run leave each other word there',
    where: [{ at: p.parent, note: p.isSet ? 'TMPDIR' : 'as the system says; TMPDIR is not set' }],
    fix: `set TMPDIR to a folder that is there and can be written to${p.remedy === null ? '' : `, or ${p.remedy}`}`,
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
