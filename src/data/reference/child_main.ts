/**
 * The process that the reference library runs in. A panic of the library ends its process, and an expression that does not end cannot be
 * stopped within one: so it has none but itself to lose. Asked and answered over the channel of `fork`.
 */
import type * as tokenizers from '@anush008/tokenizers';
import type { Answer, Answered, Asked, Question } from './messages.js';

type Library = typeof tokenizers;
type Tokenizer = tokenizers.Tokenizer;

/** Characters of texts after which what the library holds is given back: the collector does not see its size. */
const muchText = 1 << 18;

/** Tokenizers that are kept: those asked for last. */
const keptTokenizers = 8;

interface Loaded {
  readonly asJson: { readonly whole: string; readonly ordinary: string };
  whole: Tokenizer | null;
  ordinary: Tokenizer | null;
}

const kept = new Map<number, Loaded>();
let library: Library | null = null;

// What stops a run is told to the process that runs it, and that one ends this one.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'] as const) process.on(signal, () => {});
// The end of a process waits for calls of the library that run; nobody waits for these any more.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.on('message', ({ tokenizer, call, question }: Asked) => {
  void answer(tokenizer, question).then((answer) => process.send?.({ call, answer } satisfies Answered));
});

async function answer(tokenizer: number, question: Question): Promise<Answer> {
  try {
    library ??= (await import('@anush008/tokenizers')).default as unknown as Library;
  } catch (error) {
    return { kind: 'missing', reason: reasonOf(error) };
  }
  try {
    const loaded = question.kind === 'start' ? { asJson: question, whole: null, ordinary: null } : kept.get(tokenizer);
    if (loaded === undefined) return { kind: 'absent' };
    keep(tokenizer, loaded);
    switch (question.kind) {
      case 'start':
        load(library, loaded, 'whole');
        return { kind: 'started' };
      case 'encode':
        return await encode(load(library, loaded, question.ordinary ? 'ordinary' : 'whole'), question.texts);
      case 'decode': {
        const lists = question.ids.map((ids) => Array.from(ids));
        return { kind: 'decoded', texts: await load(library, loaded, 'whole').decodeBatch(lists, false) };
      }
      case 'stop':
        return { kind: 'absent' };
    }
  } catch (error) {
    return { kind: 'refused', reason: reasonOf(error) };
  }
}

function keep(tokenizer: number, loaded: Loaded): void {
  kept.delete(tokenizer);
  kept.set(tokenizer, loaded);
  const [oldest] = kept.keys();
  if (kept.size > keptTokenizers) kept.delete(oldest);
}

function load(library: Library, loaded: Loaded, name: 'whole' | 'ordinary'): Tokenizer {
  const { asJson } = loaded;
  if (name === 'ordinary' && asJson.ordinary === asJson.whole) return load(library, loaded, 'whole');
  return (loaded[name] ??= library.Tokenizer.fromString(asJson[name]));
}

async function encode(tokenizer: Tokenizer, texts: readonly string[]): Promise<Answer> {
  const encodings = await tokenizer.encodeBatch([...texts], { addSpecialTokens: false });
  const lists = encodings.map((encoding) => encoding.getIds());
  const lengths = Uint32Array.from(lists, ({ length }) => length);
  const ids = new Uint32Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const list of lists) {
    ids.set(list, at);
    at += list.length;
  }
  encodings.length = 0;
  if (texts.reduce((sum, { length }) => sum + length, 0) >= muchText) setImmediate(() => globalThis.gc?.());
  return { kind: 'encoded', ids, lengths };
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
