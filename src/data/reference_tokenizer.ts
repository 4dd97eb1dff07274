/**
 * Any tokenizer.json but our own: read by the reference library itself, Hugging Face's `tokenizers` in Rust (0.22.2, as the package
 * `@anush008/tokenizers` binds it), so that ids are those that a model was trained with elsewhere.
 */
import { tokenizerFailed, tokenizerInvalid, tokenizerLibraryMissing, tokenizerTooSlow } from './diagnostics.js';
import { sha256 } from './hash.js';
import { atOnce, type HowFar, type InParts } from './in_parts.js';
import { expressionsOf, probeCharacters, probeTexts } from './probe_texts.js';
import { referenceCopies, type ReferenceCopies } from './reference/copies.js';
import type { Answer, Question } from './reference/messages.js';
import { ReferenceProcess, type Reply } from './reference/process.js';
import { encodingFor, type Encoding, type NamedText, type Tokenizer } from './tokenizer_interface.js';
import type { TokenizerJson } from './tokenizer_json.js';

/** Changes where the same file comes to other ids. */
const library = 'tokenizers 0.22';

/** Of texts that are encoded at once, so that what is held of them is bounded; a longer one goes alone. */
const [batchCharacters, batchTexts] = [2 ** 20, 1024];

export class ReferenceTokenizer implements Tokenizer {
  readonly kind = 'hugging-face';
  readonly json: TokenizerJson;
  readonly vocab: number;
  readonly fingerprint: string;
  private readonly file: string;
  private readonly expressions: readonly string[];
  private readonly copies: ReferenceCopies;
  private readonly process: ReferenceProcess;
  private readonly numbersOfWhole: ReadonlyMap<number, number> | null; // ids → the library's numbers
  private readonly specialIds: ReadonlySet<number>;

  private constructor(json: TokenizerJson, file: string) {
    const copies = referenceCopies(json);
    if ('reason' in copies) throw tokenizerInvalid({ file, reason: copies.reason });
    this.json = json;
    this.file = file;
    this.copies = copies;
    this.vocab = copies.vocab;
    this.fingerprint = sha256([library, copies.whole, JSON.stringify(json.post_processor ?? null)]);
    this.expressions = expressionsOf(json);
    this.numbersOfWhole = copies.idsOfWhole && new Map(Array.from(copies.idsOfWhole, (id, number) => [id, number]));
    const special = (json.added_tokens ?? []).filter(({ special }) => special);
    this.specialIds = new Set(special.map(({ content }) => copies.vocabulary.get(content) ?? -1));
    this.process = new ReferenceProcess(copies);
  }

  /** Loads it in the library and tries it. @throws data/tokenizer-invalid, data/tokenizer-too-slow, data/tokenizer-library-missing. */
  static *open(json: TokenizerJson, file: string): InParts<ReferenceTokenizer> {
    const tokenizer = new ReferenceTokenizer(json, file);
    tokenizer.require('started', yield* tokenizer.waiting(tokenizer.process.starting(), 'loaded'), null);
    yield* tokenizer.probe();
    return tokenizer;
  }

  encode(text: string): Int32Array {
    return atOnce(this.encodeInParts(text));
  }

  encodeInParts(text: string): InParts<Int32Array> {
    return this.encodeOne(text, false);
  }

  encodeOrdinary(text: string): Int32Array {
    return atOnce(this.encodeOne(text, true));
  }

  *encodeAll(texts: Iterable<NamedText>): Generator<Encoding, void, void> {
    for (const batch of batches(texts)) yield* this.encodeBatch(batch);
  }

  decode(ids: Iterable<number>): string {
    return atOnce(this.decodeInParts(ids));
  }

  *decodeInParts(ids: Iterable<number>): InParts<string> {
    return (yield* this.decodingEach([Array.from(ids)]))[0];
  }

  /** Each as {@link decode}, all at once. */
  decodeEach(texts: readonly (readonly number[])[]): readonly string[] {
    return atOnce(this.decodingEach(texts));
  }

  /** Numbers that are no token's id stand for nothing. */
  private *decodingEach(texts: readonly (readonly number[])[]): InParts<readonly string[]> {
    const inside = (id: number) => Number.isInteger(id) && id >= 0 && id < this.vocab;
    const numbers = texts.map((ids) => {
      const tokens = ids.filter(inside);
      const { numbersOfWhole: numbers } = this;
      return Uint32Array.from(numbers === null ? tokens : tokens.flatMap((id) => numbers.get(id) ?? []));
    });
    if (numbers.every(({ length }) => length === 0)) return texts.map(() => '');
    const length = numbers.reduce((sum, { length }) => sum + length, 0);
    const asking = this.process.asking({ kind: 'decode', ids: numbers }, timeFor(10 * length));
    const reply = yield* this.waiting(asking, 'asked for text');
    return this.require('decoded', reply, { path: null, characters: length }).texts;
  }

  decodeBytes(ids: Iterable<number>): Uint8Array {
    return new TextEncoder().encode(this.decode(ids));
  }

  idOf(token: string): number | null {
    return this.copies.vocabulary.get(token) ?? null;
  }

  textBytes(ids: Iterable<number>): number {
    return atOnce(this.textBytesInParts(ids));
  }

  *textBytesInParts(ids: Iterable<number>): InParts<number> {
    // Between special tokens: what a decoder does at the beginning of a text, it does for each.
    const texts: number[][] = [[]];
    for (const id of ids) {
      if (this.specialIds.has(id)) texts.push([]);
      else texts[texts.length - 1].push(id);
    }
    const decoded = yield* this.decodingEach(texts.filter(({ length }) => length > 0));
    return decoded.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  }

  private *encodeOne(text: string, ordinary: boolean): InParts<Int32Array> {
    const asking = this.process.asking({ kind: 'encode', ordinary, texts: [text] }, timeFor(text.length));
    const reply = yield* this.waiting(asking, 'asked for ids');
    return this.idsOf(this.require('encoded', reply, { path: null, characters: text.length }), ordinary)[0];
  }

  /** Where the library fails on one of several, they go one by one, so that the one can be named. */
  private *encodeBatch(batch: readonly NamedText[]): Generator<Encoding, void, void> {
    const [{ path }] = batch;
    const characters = batch.reduce((sum, { text }) => sum + text.length, 0);
    const question: Question = { kind: 'encode', ordinary: true, texts: batch.map(({ text }) => text) };
    const asking = this.process.asking(question, timeFor(characters));
    const reply = yield* waits(asking, (milliseconds) => encodingFor(batch[0], milliseconds));
    if (reply.kind !== 'encoded' && batch.length > 1) for (const one of batch) yield* this.encodeBatch([one]);
    else yield* this.idsOf(this.require('encoded', reply, { path, characters }), true);
  }

  private idsOf({ ids, lengths }: Extract<Answer, { kind: 'encoded' }>, ordinary: boolean): readonly Int32Array[] {
    const meaning = ordinary ? this.copies.idsOfOrdinary : this.copies.idsOfWhole;
    let at = 0;
    return Array.from(lengths, (length) => {
      const text = Int32Array.from(ids.subarray(at, at + length));
      at += length;
      return meaning === null ? text : text.map((number) => meaning[number]);
    });
  }

  /** What fails, or does not end, on a run of one letter does so on a text sooner or later. */
  private *probe(): InParts<void> {
    if (this.expressions.length === 0) return;
    const question: Question = { kind: 'encode', ordinary: false, texts: probeTexts(this.expressions) };
    const reply = yield* this.waiting(this.process.asking(question, probeMilliseconds), 'tried');
    if (reply.kind === 'encoded') return;
    this.require('encoded', reply, { path: null, characters: probeCharacters });
  }

  /** The reply, with how long the tokenizer is already being loaded, tried or asked. */
  private waiting(asking: Generator<number, Reply, void>, what: string): Generator<HowFar, Reply, void> {
    return waits(asking, (milliseconds) => {
      const at = `${this.file}, ${what} for ${Math.floor(milliseconds / 1000)} s`;
      return { done: 0, total: 1, unit: 'tokenizers', at };
    });
  }

  /** The answer that is looked for. Throws what it is that is not: `text` is what was read, null where none was. */
  private require<Kind extends Answer['kind']>(
    kind: Kind,
    reply: Reply,
    text: { readonly path: string | null; readonly characters: number } | null,
  ): Extract<Answer, { kind: Kind }> {
    const { file, expressions } = this;
    if (reply.kind === kind) return reply as Extract<Answer, { kind: Kind }>;
    switch (reply.kind) {
      case 'missing':
        throw tokenizerLibraryMissing({ file, platform: `${process.platform} ${process.arch}`, reason: reply.reason });
      case 'ended':
        if (text === null) throw tokenizerInvalid({ file, reason: `the library ends on it: ${reply.reason}` });
        if (!reply.reason.includes('retry-limit')) throw tokenizerFailed({ file, ...text, reason: reply.reason });
        throw tokenizerTooSlow({ file, ...text, expressions });
      case 'late':
        if (text === null)
          throw tokenizerInvalid({ file, reason: 'the library does not come to an end of reading it' });
        throw tokenizerTooSlow({ file, ...text, expressions });
      case 'refused':
        if (text === null) throw tokenizerInvalid({ file, reason: reply.reason });
        throw tokenizerFailed({ file, ...text, reason: reply.reason });
      default:
        throw new Error(`the library was asked for '${kind}' and answered '${reply.kind}'`);
    }
  }
}

/** Probes are read in milliseconds; a machine may have much else to do. */
const probeMilliseconds = 20_000;

/** Milliseconds in which so many characters are read on any machine: it reads a million in some seconds. */
const timeFor = (characters: number): number => 60_000 + characters / 5;

/** The reply, with `told` of each wait before it. */
function* waits<T>(
  asking: Generator<number, Reply, void>,
  told: (milliseconds: number) => T,
): Generator<T, Reply, void> {
  try {
    for (;;) {
      const part = asking.next();
      if (part.done) return part.value;
      yield told(part.value);
    }
  } finally {
    asking.return({ kind: 'late' }); // does nothing to one that has ended
  }
}

function* batches(texts: Iterable<NamedText>): Generator<readonly NamedText[]> {
  let batch: NamedText[] = [];
  let characters = 0;
  for (const text of texts) {
    if (batch.length > 0 && (characters + text.text.length > batchCharacters || batch.length === batchTexts)) {
      yield batch;
      [batch, characters] = [[], 0];
    }
    batch.push(text);
    characters += text.text.length;
  }
  if (batch.length > 0) yield batch;
}
