/**
 * Byte-pair encoding, trained (Sennrich, Haddow, Birch 2016, section 3.2): start from bytes, then, until the vocabulary is full,
 * make the most frequent pair of neighbouring symbols one symbol.
 *
 * Counts are kept up to date instead of taken anew: a merge touches only the words that hold its pair. The most frequent pair comes
 * from a heap whose entries may be out of date and are put right when they reach the top (counts of existing pairs only fall).
 * Ties go to the pair with the smaller symbols, left first, as in Hugging Face's trainer, whose result this equals.
 */
import { byteCharacters, preTokens } from './byte_level.js';
import { vocabTooSmall } from './diagnostics.js';
import type { InParts } from './in_parts.js';
import { byteLevelTokenizerJson, type TokenizerJson } from './tokenizer_json.js';

export interface BpeTrainerOptions {
  /** Tokens in the vocabulary, with the 256 bytes and the separator. */
  readonly vocab: number;
  /** A pair seen less often is not merged; the vocabulary then stays smaller. Default 2: a pair seen once teaches nothing. */
  readonly min_frequency?: number;
  /** The token between documents, id 0. Default `<|endoftext|>`. */
  readonly separator?: string;
}

/**
 * Trains on `texts`. The same texts, in any order, give the same tokenizer.
 * @throws data/vocab-too-small.
 */
export function* trainBpe(texts: readonly string[], options: BpeTrainerOptions): InParts<TokenizerJson> {
  const { vocab, min_frequency = 2, separator = '<|endoftext|>' } = options;
  const least = 256 + 1;
  if (vocab < least) throw vocabTooSmall({ vocab, least });

  // Ids as Hugging Face's trainer gives them: the separator, the bytes by their character, then the merges.
  const tokens = [separator, ...[...byteCharacters].sort()];
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const words = new Words(yield* countPreTokens(texts), ids);
  const pairs = new Pairs(words);
  const merges: (readonly [string, string])[] = [];
  const merged = new Set<number>();
  while (tokens.length < vocab) {
    yield { done: tokens.length, total: vocab, unit: 'tokens' };
    const pair = pairs.takeMostFrequent(Math.max(1, min_frequency));
    if (pair === null) break;
    const [left, right] = pairs.symbols(pair);
    const token = tokens[left] + tokens[right];
    let id = ids.get(token); // there already where two other pairs gave the same token
    if (id === undefined) {
      id = tokens.push(token) - 1;
      ids.set(token, id);
    }
    if (!merged.has(pair)) merges.push([tokens[left], tokens[right]]);
    merged.add(pair);
    pairs.merge(pair, id);
  }
  return byteLevelTokenizerJson({ tokens, merges, separator });
}

function* countPreTokens(texts: readonly string[]): InParts<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const [done, text] of texts.entries()) {
    yield { done, total: texts.length, unit: 'documents' };
    for (const piece of preTokens(text)) for (const word of piece) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

/** The distinct words of the corpus, each a run of symbols in one array; a merge shortens a word in place. */
class Words {
  readonly counts: Float64Array;
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  readonly symbols: Int32Array;

  constructor(counted: ReadonlyMap<string, number>, ids: ReadonlyMap<string, number>) {
    const byteIds = Int32Array.from(byteCharacters, (character) => ids.get(character) ?? 0);
    const encoder = new TextEncoder();
    let total = 0;
    for (const word of counted.keys()) total += Buffer.byteLength(word);
    this.counts = Float64Array.from(counted.values());
    this.starts = new Int32Array(counted.size);
    this.lengths = new Int32Array(counted.size);
    this.symbols = new Int32Array(total);
    let [word, at] = [0, 0];
    for (const text of counted.keys()) {
      this.starts[word] = at;
      for (const byte of encoder.encode(text)) this.symbols[at++] = byteIds[byte];
      this.lengths[word] = at - this.starts[word];
      word++;
    }
  }
}

/** Every pair of neighbours that occurred: how often, in which words; and the heap that finds the most frequent. */
class Pairs {
  private readonly words: Words;
  private readonly numbers = new Map<number, number>(); // left and right symbol → pair
  private readonly lefts: number[] = [];
  private readonly rights: number[] = [];
  private readonly counts: number[] = [];
  private readonly wordsWith: number[][] = []; // may name a word twice, or one that no longer has the pair
  private readonly heap: PairHeap;
  private readonly visited: Int32Array;
  private visits = 0;

  constructor(words: Words) {
    this.words = words;
    this.heap = new PairHeap((a, b) => this.lefts[a] - this.lefts[b] || this.rights[a] - this.rights[b]);
    this.visited = new Int32Array(words.counts.length);
    for (let word = 0; word < words.counts.length; word++) {
      const [start, end] = [words.starts[word], words.starts[word] + words.lengths[word]];
      for (let i = start; i + 1 < end; i++) this.add(words.symbols[i], words.symbols[i + 1], word, words.counts[word]);
    }
    for (let pair = 0; pair < this.counts.length; pair++) this.heap.push(pair, this.counts[pair]);
  }

  symbols(pair: number): readonly [number, number] {
    return [this.lefts[pair], this.rights[pair]];
  }

  /** The most frequent pair; null where none occurs `least` times. */
  takeMostFrequent(least: number): number | null {
    for (let top = this.heap.pop(); top !== null; top = this.heap.pop()) {
      const count = this.counts[top.pair];
      if (count === top.count) return count >= least ? top.pair : null;
      if (count > 0) this.heap.push(top.pair, count);
    }
    return null;
  }

  /** Replaces the pair by the symbol `id` wherever it occurs, from left to right, and counts the new neighbours. */
  merge(pair: number, id: number): void {
    const { symbols, starts, lengths, counts } = this.words;
    const [left, right] = this.symbols(pair);
    const grown = new Set<number>();
    const visit = ++this.visits;
    for (const word of this.wordsWith[pair]) {
      if (this.visited[word] === visit) continue;
      this.visited[word] = visit;
      const [start, end, count] = [starts[word], starts[word] + lengths[word], counts[word]];
      let to = start;
      for (let from = start; from < end; from++) {
        if (symbols[from] !== left || from + 1 >= end || symbols[from + 1] !== right) {
          symbols[to++] = symbols[from];
          continue;
        }
        if (to > start) {
          this.subtract(symbols[to - 1], left, count);
          grown.add(this.add(symbols[to - 1], id, word, count));
        }
        if (from + 2 < end) {
          this.subtract(right, symbols[from + 2], count);
          grown.add(this.add(id, symbols[from + 2], word, count));
        }
        symbols[to++] = id;
        from++;
      }
      lengths[word] = to - start;
    }
    this.counts[pair] = 0;
    this.wordsWith[pair] = [];
    for (const other of grown) if (this.counts[other] > 0) this.heap.push(other, this.counts[other]);
  }

  private add(left: number, right: number, word: number, count: number): number {
    const key = pairKey(left, right);
    let pair = this.numbers.get(key);
    if (pair === undefined) {
      pair = this.lefts.push(left) - 1;
      this.rights.push(right);
      this.counts.push(0);
      this.wordsWith.push([]);
      this.numbers.set(key, pair);
    }
    this.counts[pair] += count;
    const words = this.wordsWith[pair];
    if (words[words.length - 1] !== word) words.push(word);
    return pair;
  }

  private subtract(left: number, right: number, count: number): void {
    const pair = this.numbers.get(pairKey(left, right));
    if (pair !== undefined) this.counts[pair] -= count;
  }
}

/** Exact up to 2²⁶ symbols, and a small integer (which V8 hashes fastest) while both are below 2¹⁵. */
function pairKey(left: number, right: number): number {
  return left < 0x8000 && right < 0x8000 ? (left << 15) | right : left * 0x4000000 + right + 0x40000000;
}

/** A binary heap: greatest count on top, then the pair that comes first. */
class PairHeap {
  private readonly pairs: number[] = [];
  private readonly counts: number[] = [];
  private readonly compare: (a: number, b: number) => number;

  constructor(compare: (a: number, b: number) => number) {
    this.compare = compare;
  }

  push(pair: number, count: number): void {
    let at = this.pairs.push(pair) - 1;
    this.counts.push(count);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(at, parent)) break;
      this.swap(at, parent);
      at = parent;
    }
  }

  pop(): { pair: number; count: number } | null {
    if (this.pairs.length === 0) return null;
    this.swap(0, this.pairs.length - 1);
    const top = { pair: this.pairs.pop() ?? 0, count: this.counts.pop() ?? 0 };
    for (let at = 0; ;) {
      let first = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < this.pairs.length && this.before(child, first)) first = child;
      }
      if (first === at) return top;
      this.swap(at, first);
      at = first;
    }
  }

  private before(a: number, b: number): boolean {
    const difference = this.counts[a] - this.counts[b];
    return difference !== 0 ? difference > 0 : this.compare(this.pairs[a], this.pairs[b]) < 0;
  }

  private swap(a: number, b: number): void {
    [this.pairs[a], this.pairs[b]] = [this.pairs[b], this.pairs[a]];
    [this.counts[a], this.counts[b]] = [this.counts[b], this.counts[a]];
  }
}
