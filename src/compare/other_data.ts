/** Why two runs read other data in a step, and where the first token is that differs. */
import type { Batch, Dataset } from '../data/index.js';
import { readSourceList, sourceChanges, sourcesName } from '../data/source_list.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import type { StepDigest } from '../run/digests.js';
import { openRunData } from '../train/prepare_run.js';
import { fieldDifferences } from './asked.js';
import type { DataFinding, TokenDifference } from './comparison.js';
import type { Side } from './side.js';

/** What both read in a step that is not the same. */
export function otherData([a, b]: readonly [Side, Side], [one, other]: readonly [StepDigest, StepDigest]): DataFinding {
  const token = withData(a, (first) =>
    withData(b, (second) => {
      const batches = [batchOf(a, first, one), batchOf(b, second, other)] as const;
      return firstOtherToken(...batches);
    }),
  );
  const because = reasons(a, b);
  const unsaid =
    'what they say of their data is the same, and what they read is not: the prepared data of one was changed';
  return { kind: 'differs', step: one.step, because: because.length > 0 ? because : [unsaid], token };
}

function reasons(a: Side, b: Side): readonly string[] {
  const [one, other] = [a.record, b.record];
  const [before, now] = [a, b].map(({ folder }) => readSourceList(folder.file(sourcesName)));
  const edits = one.data.key !== other.data.key && before && now ? sourceChanges(before, now) : [];
  const fields = [
    ...fieldDifferences('data', one.data.source, other.data.source),
    ...fieldDifferences('the order: data.seed', one.order.seed, other.order.seed),
    ...fieldDifferences('batch.sequences', one.batch.sequences, other.batch.sequences),
  ];
  return [
    ...fields.map(({ field, a, b }) => `${field} is ${a} in A and ${b} in B`),
    ...edits,
    ...(one.tokenizer.sha256 === other.tokenizer.sha256 ? [] : ['the tokenizers are not the same']),
  ];
}

/** What the batch of a step was, by what the run says of its order. */
const batchOf = ({ record }: Side, { train }: Dataset, { samples }: StepDigest): Batch =>
  train.samples(samples, record.batch.sequences);

export function firstOtherToken(a: Batch, b: Batch): TokenDifference | null {
  const { context } = a;
  const shared = Math.min(a.sequences, b.sequences) * context;
  for (let at = 0; at < shared; at++) {
    const list = a.tokens[at] !== b.tokens[at] ? 'tokens' : a.labels[at] !== b.labels[at] ? 'labels' : null;
    if (list === null) continue;
    // A label is the token after it.
    const place = (at % context) + (list === 'labels' ? 1 : 0);
    return { sample: Math.floor(at / context) + 1, place, a: a[list][at], b: b[list][at] };
  }
  return null;
}

/** Null where the data that a run was prepared with is not there any more, or not as it was. */
function withData<T>({ record, resolved }: Side, work: (dataset: Dataset) => T): T | null {
  let dataset: Dataset;
  try {
    dataset = openRunData(record.data.folder, resolved.config, record.order.context);
  } catch (error) {
    if (error instanceof DiagnosticError) return null;
    throw error;
  }
  try {
    return work(dataset);
  } finally {
    dataset.close();
  }
}
