/** The losses of a run, as its folder tells them: of one that has ended, was gone on with, or is still going. */
import { existsSync, readFileSync } from 'node:fs';
import { parseJson } from '../ir/parse_json.js';
import type { RunFolder } from './folder.js';
import { readMetrics, type MetricsRow } from './read_metrics.js';

/** A loss, in nats a token. */
export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

export interface LossCurve {
  readonly name: string;
  /** In the order of steps, each step once. What is not finite is left out, and named in `notFinite`. */
  readonly training: readonly LossPoint[];
  readonly validation: readonly LossPoint[];
  /** Steps whose training loss was not finite. */
  readonly notFinite: readonly number[];
  /** Counted models on the same validation tokens, nats a token; null where nobody has counted yet. */
  readonly unigram: number | null;
  readonly bigram: number | null;
  /** UTF-8 bytes of text a token, of the validation text; null where it is not known. */
  readonly bytesPerToken: number | null;
  /** Whether the tokenizer gives back what it was given, as far as is known; where not, its bits a byte do not compare. */
  readonly keepsText: boolean;
  /** SHA-256 of the tokenizer; null where the run does not say. Losses a token of two tokenizers cannot be compared. */
  readonly tokenizer: string | null;
  /** Length that the run is to have; null until it is known. */
  readonly steps: number | null;
}

/** Unigram and bigram losses, and bytes a token, as a data set knows them. */
export type TokenFacts = Pick<LossCurve, 'unigram' | 'bigram' | 'bytesPerToken' | 'keepsText'>;

/**
 * Reads a run's curve. `factsOf`: asked for what the run's own files do not say, as those of a run that is still going. Throws what
 * reading the folder does; a run without a line of metrics has a curve without points.
 */
export function readLossCurve(folder: RunFolder, factsOf: () => TokenFacts | null = () => null): LossCurve {
  const metrics = folder.file('metrics.jsonl');
  const rows = existsSync(metrics) ? readMetrics(metrics) : [];
  const record = folder.readRecord();
  const own = { ...summaryFacts(folder), bytesPerToken: bytesPerToken(rows) };
  const asked = own.bigram === null || own.unigram === null || own.bytesPerToken === null ? factsOf() : null;
  const training = pointsOf(rows, 'step');
  return {
    name: folder.name,
    training: training.filter(isFinitePoint),
    validation: pointsOf(rows, 'validation').filter(isFinitePoint),
    notFinite: training.filter((point) => !isFinitePoint(point)).map(({ step }) => step),
    unigram: own.unigram ?? asked?.unigram ?? null,
    bigram: own.bigram ?? asked?.bigram ?? null,
    bytesPerToken: own.bytesPerToken ?? asked?.bytesPerToken ?? null,
    keepsText: own.keepsText ?? asked?.keepsText ?? true,
    tokenizer: record.tokenizer.sha256,
    steps: record.steps,
  };
}

interface AnyPoint {
  readonly step: number;
  readonly loss: number | null;
}

const isFinitePoint = (point: AnyPoint): point is LossPoint => point.loss !== null;

/** What is said last of a step counts: a run that was killed and gone on with may have done it twice. */
function pointsOf(rows: readonly MetricsRow[], kind: 'step' | 'validation'): readonly AnyPoint[] {
  const losses = new Map<number, number | null>();
  for (const row of rows) {
    if (row.kind !== kind || typeof row.step !== 'number' || !Number.isFinite(row.step)) continue;
    losses.set(row.step, typeof row.loss === 'number' && Number.isFinite(row.loss) ? row.loss : null);
  }
  return [...losses].map(([step, loss]) => ({ step, loss })).sort((a, b) => a.step - b.step);
}

/** Of any validation: its loss is told a token and a byte. */
function bytesPerToken(rows: readonly MetricsRow[]): number | null {
  for (const { kind, loss, bits_per_byte: bits } of rows) {
    if (kind === 'validation' && typeof loss === 'number' && typeof bits === 'number' && loss > 0 && bits > 0)
      return loss / Math.LN2 / bits;
  }
  return null;
}

function summaryFacts(
  folder: RunFolder,
): Pick<LossCurve, 'unigram' | 'bigram'> & { readonly keepsText: boolean | null } {
  const file = folder.file('summary.json');
  let summary: unknown = null;
  try {
    if (existsSync(file)) summary = parseJson(readFileSync(file, 'utf8'));
  } catch {
    // Half a summary: what it says is counted anew.
  }
  const valueOf = (name: string): unknown =>
    typeof summary === 'object' && summary !== null ? Reflect.get(summary, name) : null;
  const numberOf = (name: string): number | null => {
    const value = valueOf(name);
    return typeof value === 'number' && Number.isFinite(value) ? value : null;
  };
  const keepsText = valueOf('keeps_text');
  return {
    unigram: numberOf('unigram_loss'),
    bigram: numberOf('bigram_loss'),
    keepsText: typeof keepsText === 'boolean' ? keepsText : null,
  };
}
