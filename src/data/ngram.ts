/**
 * What counting alone achieves: unigram and bigram models with Witten–Bell smoothing, the baselines beside a network's loss.
 *
 *   unigram   p(w)     = (c(w) + T · 1/V) / (N + T)                  T: token types seen, N: tokens seen
 *   bigram    p(w | h) = (c(h w) + T(h) · p(w)) / (c(h) + T(h))      T(h): types seen after h, c(h): times h was followed
 *
 * The more types followed a history, the more weight the shorter model has; a history never seen leaves it all of it.
 * Source: Witten, Bell 1991, method C; interpolated as in Chen, Goodman 1998, section 2.5.
 */

/** A language model that looks back one token at most. */
export interface NgramModel {
  readonly name: 'unigram' | 'bigram';
  /** p(label | token). Sums to 1 over all labels. */
  probability(label: number, token: number): number;
}

/** Counts both models on `pieces`, which follow one another: a bigram may span two of them. Ids are below `vocab`. */
export function countNgrams(pieces: Iterable<Int32Array>, vocab: number): { unigram: NgramModel; bigram: NgramModel } {
  const all = concatenate(pieces);
  const unigram = unigramModel(all, vocab);
  return { unigram, bigram: bigramModel(all, vocab, unigram) };
}

function unigramModel(tokens: Int32Array, vocab: number): NgramModel {
  const counts = new Float64Array(vocab);
  for (const token of tokens) counts[token]++;
  let types = 0;
  for (const count of counts) if (count > 0) types++;
  return {
    name: 'unigram',
    probability: (label) =>
      tokens.length === 0 ? 1 / vocab : (counts[label] + types / vocab) / (tokens.length + types),
  };
}

function bigramModel(tokens: Int32Array, vocab: number, unigram: NgramModel): NgramModel {
  // What followed history h stands, sorted, at starts[h] … starts[h + 1]: 4 bytes a token, where a table would be vocab².
  const starts = new Float64Array(vocab + 1);
  for (let i = 0; i + 1 < tokens.length; i++) starts[tokens[i] + 1]++;
  for (let history = 0; history < vocab; history++) starts[history + 1] += starts[history];
  const followers = new Int32Array(Math.max(0, tokens.length - 1));
  const ends = starts.slice(0, vocab);
  for (let i = 0; i + 1 < tokens.length; i++) followers[ends[tokens[i]]++] = tokens[i + 1];
  const types = new Float64Array(vocab);
  for (let history = 0; history < vocab; history++) {
    const after = followers.subarray(starts[history], starts[history + 1]).sort();
    for (let i = 0; i < after.length; i++) if (i === 0 || after[i] !== after[i - 1]) types[history]++;
  }
  return {
    name: 'bigram',
    probability(label, token) {
      const [start, end] = [starts[token], starts[token + 1]];
      if (start === end) return unigram.probability(label, token);
      const count = firstAtLeast(followers, start, end, label + 1) - firstAtLeast(followers, start, end, label);
      return (count + types[token] * unigram.probability(label, token)) / (end - start + types[token]);
    },
  };
}

/** Mean negative log-likelihood of `labels` given `tokens` (same length), in nats per token. */
export function evaluateNgram(
  model: NgramModel,
  { tokens, labels }: { tokens: Int32Array; labels: Int32Array },
): number {
  let nats = 0;
  for (let i = 0; i < labels.length; i++) nats -= Math.log(model.probability(labels[i], tokens[i]));
  return nats / labels.length;
}

/** Nats per token as bits per byte of text: a unit that does not depend on the tokenizer. */
export function bitsPerByte(natsPerToken: number, bytesPerToken: number): number {
  return natsPerToken / Math.LN2 / bytesPerToken;
}

function firstAtLeast(values: Int32Array, start: number, end: number, least: number): number {
  while (start < end) {
    const middle = Math.floor((start + end) / 2);
    if (values[middle] < least) start = middle + 1;
    else end = middle;
  }
  return start;
}

function concatenate(pieces: Iterable<Int32Array>): Int32Array {
  const list = [...pieces];
  const all = new Int32Array(list.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of list) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
