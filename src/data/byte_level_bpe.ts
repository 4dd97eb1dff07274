/**
 * Byte-level BPE, applied: our encoder for tokenizers of GPT-2's kind. Within a pre-token the pair of neighbours with the lowest
 * rank is merged first, the leftmost of equals, until no pair has a rank. Words repeat, so their tokens are remembered.
 */
import { byteCharacters, fromCharacters, preTokens } from './byte_level.js';
import { tokenizerInvalid } from './diagnostics.js';
import { sha256 } from './hash.js';
import { atOnce, type InParts } from './in_parts.js';
import { encodingFor, type Encoding, type NamedText, type Tokenizer } from './tokenizer_interface.js';
import type { TokenizerJson } from './tokenizer_json.js';

/** Remembered words; past so many, all are forgotten (new texts have new words). */
const CACHE_WORDS = 1 << 18;
/** Longer words are rarely met twice. */
const CACHE_WORD_LENGTH = 64;
/** Merges between two rests within a word. */
const REST_MERGES = 1 << 16;

export class ByteLevelBpe implements Tokenizer {
  readonly kind = 'byte-level-bpe';
  readonly json: TokenizerJson;
  readonly vocab: number;
  readonly fingerprint: string;
  private readonly vocabulary: ReadonlyMap<string, number>;
  private readonly byteIds: Int32Array;
  private readonly merges: ReadonlyMap<number, { readonly rank: number; readonly id: number }>;
  private readonly bytesOf: readonly Uint8Array[]; // by id; empty for ids that no token has
  private readonly lengths: Uint16Array | Uint32Array;
  private readonly added: ReadonlyMap<string, number>;
  private readonly addedPattern: RegExp | null;
  private readonly words = new Map<string, number | Int32Array>(); // a single token is stored as itself
  private readonly encoder = new TextEncoder();

  /** @throws data/tokenizer-invalid where a byte or the result of a merge has no token. */
  constructor(json: TokenizerJson, file: string) {
    const refuse = (reason: string) => tokenizerInvalid({ file, reason });
    const added = json.added_tokens ?? [];
    const vocabulary = new Map(Object.entries(json.model.vocab));
    this.json = json;
    this.vocabulary = vocabulary;
    this.fingerprint = sha256([JSON.stringify(json)]);
    this.vocab = 1 + [...vocabulary.values(), ...added.map(({ id }) => id)].reduce((a, b) => Math.max(a, b), -1);
    const idOf = (token: string) => {
      const id = vocabulary.get(token);
      if (id === undefined) throw refuse(`its vocabulary lacks '${token}'`);
      return id;
    };
    this.byteIds = Int32Array.from(byteCharacters, idOf);
    const merges = new Map<number, { rank: number; id: number }>();
    (json.model.merges ?? []).forEach((merge, rank) => {
      const [left, right] = typeof merge === 'string' ? merge.split(' ') : merge;
      const key = idOf(left) * this.vocab + idOf(right);
      if (!merges.has(key)) merges.set(key, { rank, id: idOf(left + right) });
    });
    this.merges = merges;

    const bytesOf: Uint8Array[] = Array.from({ length: this.vocab }, () => new Uint8Array(0));
    const lengths = new Uint32Array(this.vocab);
    for (const [token, id] of vocabulary) {
      bytesOf[id] = fromCharacters(token) ?? this.encoder.encode(token);
      lengths[id] = bytesOf[id].length;
    }
    for (const { id, content } of added) {
      bytesOf[id] = this.encoder.encode(content);
      lengths[id] = 0; // it is not part of any text
    }
    [this.bytesOf, this.lengths] = [bytesOf, lengths];
    this.added = new Map(added.map(({ id, content }) => [content, id]));
    const longestFirst = [...this.added.keys()].sort((a, b) => b.length - a.length);
    const literal = longestFirst.map((content) => content.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'));
    this.addedPattern = literal.length > 0 ? new RegExp(`(${literal.join('|')})`) : null;
  }

  encode(text: string): Int32Array {
    return atOnce(this.encodeInParts(text));
  }

  *encodeInParts(text: string): InParts<Int32Array> {
    const tokens = new TokenList();
    const parts = this.addedPattern ? text.split(this.addedPattern) : [text];
    for (const [i, part] of parts.entries()) {
      if (i % 2 === 1) tokens.push(this.added.get(part) ?? 0);
      else for (const _ of this.encodeInto(part, tokens)) yield { done: i, total: parts.length, unit: 'parts' };
    }
    return tokens.toArray();
  }

  encodeOrdinary(text: string): Int32Array {
    const tokens = new TokenList();
    atOnce(this.encodeInto(text, tokens));
    return tokens.toArray();
  }

  *encodeAll(texts: Iterable<NamedText>): Generator<Encoding, void, void> {
    for (const named of texts) {
      const started = performance.now();
      const tokens = new TokenList();
      const encoding = this.encodeInto(named.text, tokens);
      while (!encoding.next().done) yield encodingFor(named, performance.now() - started);
      yield tokens.toArray();
    }
  }

  decodeBytes(ids: Iterable<number>): Uint8Array {
    const parts = Array.from(ids, (id) => this.bytesOf[id] ?? new Uint8Array(0));
    return Buffer.concat(parts);
  }

  decode(ids: Iterable<number>): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.decodeBytes(ids));
  }

  // eslint-disable-next-line require-yield -- it is done in microseconds
  *decodeInParts(ids: Iterable<number>): InParts<string> {
    return this.decode(ids);
  }

  idOf(token: string): number | null {
    return this.added.get(token) ?? this.vocabulary.get(token) ?? null;
  }

  textBytes(ids: Iterable<number>): number {
    let bytes = 0;
    for (const id of ids) bytes += this.lengths[id] ?? 0;
    return bytes;
  }

  // eslint-disable-next-line require-yield -- it is done in microseconds
  *textBytesInParts(ids: Iterable<number>): InParts<number> {
    return this.textBytes(ids);
  }

  /** Rests after each piece of the text and within a long word. */
  private *encodeInto(text: string, tokens: TokenList): Generator<void, void, void> {
    for (const piece of preTokens(text)) {
      for (const word of piece) {
        const known = this.words.get(word) ?? (yield* this.encodeWord(word));
        if (typeof known === 'number') tokens.push(known);
        else tokens.pushAll(known);
      }
      yield;
    }
  }

  private *encodeWord(word: string): Generator<void, number | Int32Array, void> {
    const symbols = Int32Array.from(this.encoder.encode(word), (byte) => this.byteIds[byte]);
    const ids = yield* this.mergeAll(symbols);
    const result = ids.length === 1 ? ids[0] : ids;
    if (word.length <= CACHE_WORD_LENGTH) {
      if (this.words.size >= CACHE_WORDS) this.words.clear();
      this.words.set(word, result);
    }
    return result;
  }

  /**
   * Merges in place. Candidates wait in a heap by (rank, position), one number each; symbols are a linked list. O(n log n) in the
   * length of the word, which may be a megabyte where a text has no spaces.
   */
  private *mergeAll(symbols: Int32Array): Generator<void, Int32Array, void> {
    const n = symbols.length;
    const next = Int32Array.from({ length: n }, (_, i) => i + 1);
    const previous = Int32Array.from({ length: n }, (_, i) => i - 1);
    const heap = new NumberHeap();
    const consider = (at: number) => {
      if (at < 0 || next[at] >= n) return;
      const merge = this.merges.get(symbols[at] * this.vocab + symbols[next[at]]);
      if (merge) heap.push(merge.rank * n + at);
    };
    for (let i = 0; i < n; i++) {
      consider(i);
      if (i % REST_MERGES === REST_MERGES - 1) yield;
    }
    let left = n;
    let taken = 0;
    for (let top = heap.pop(); top >= 0; top = heap.pop()) {
      if (++taken % REST_MERGES === 0) yield;
      const [rank, at] = [Math.floor(top / n), top % n];
      if (symbols[at] < 0 || next[at] >= n) continue; // merged into its left neighbour, or nothing follows any more
      const merge = this.merges.get(symbols[at] * this.vocab + symbols[next[at]]);
      if (merge === undefined || merge.rank !== rank) continue; // a neighbour changed since
      const gone = next[at];
      symbols[at] = merge.id;
      symbols[gone] = -1;
      next[at] = next[gone];
      if (next[at] < n) previous[next[at]] = at;
      left--;
      consider(previous[at]);
      consider(at);
    }
    const ids = new Int32Array(left);
    for (let at = 0, i = 0; at < n; at = next[at]) ids[i++] = symbols[at];
    return ids;
  }
}

/** A growing list of ids without boxing. */
class TokenList {
  private ids = new Int32Array(1024);
  private length = 0;

  push(id: number): void {
    if (this.length === this.ids.length) this.grow(this.length + 1);
    this.ids[this.length++] = id;
  }

  pushAll(ids: Int32Array): void {
    if (this.length + ids.length > this.ids.length) this.grow(this.length + ids.length);
    this.ids.set(ids, this.length);
    this.length += ids.length;
  }

  toArray(): Int32Array {
    return this.ids.slice(0, this.length);
  }

  private grow(least: number): void {
    const larger = new Int32Array(Math.max(least, 2 * this.ids.length));
    larger.set(this.ids.subarray(0, this.length));
    this.ids = larger;
  }
}

/** A binary heap of numbers, smallest on top; pop gives −1 where it is empty. */
class NumberHeap {
  private readonly items: number[] = [];

  push(item: number): void {
    let at = this.items.push(item) - 1;
    for (; at > 0 && this.items[(at - 1) >> 1] > item; at = (at - 1) >> 1) this.items[at] = this.items[(at - 1) >> 1];
    this.items[at] = item;
  }

  pop(): number {
    const top = this.items[0] ?? -1;
    const last = this.items.pop();
    if (last === undefined || this.items.length === 0) return top;
    let at = 0;
    for (let child = 1; child < this.items.length; child = 2 * at + 1) {
      if (child + 1 < this.items.length && this.items[child + 1] < this.items[child]) child++;
      if (this.items[child] >= last) break;
      this.items[at] = this.items[child];
      at = child;
    }
    this.items[at] = last;
    return top;
  }
}
