/**
 * The data of a run that goes on: what it was prepared with, whatever has become of the text. Writes nothing but, where the prepared
 * data is gone and the text is as it was, the same data into the cache again.
 */
import type { AbsoluteConfig } from '../config/absolute_paths.js';
import { DataCache } from '../data/cache.js';
import { prepareData, type DataListener, type Dataset } from '../data/index.js';
import type { HowFar } from '../data/in_parts.js';
import { lookAtSources, type SourcesNow } from '../data/look_at_sources.js';
import { openUnlessDamaged } from '../data/prepare.js';
import { readSourceList, sourceChanges, sourcesName } from '../data/source_list.js';
import { orderDifferences, sourceDifferences } from '../run/data_identity.js';
import { dataDiffers, dataGone, listed } from '../run/diagnostics.js';
import type { RunFolder } from '../run/folder.js';
import { fileHash } from '../run/hash.js';
import type { RunRecord } from '../run/record.js';
import { batchOptions } from './batch_options.js';
import type { TrainEvents } from './events.js';

export interface ResumeDataRequest {
  readonly folder: RunFolder;
  readonly record: RunRecord;
  readonly config: AbsoluteConfig;
  /** Tokens of a sequence. */
  readonly context: number;
  readonly events: TrainEvents;
  /** Told where data is prepared again. */
  readonly listener: DataListener;
}

/** Throws `run/data-differs`, `run/data-gone`, and what is wrong with text that is asked for in place of the run's. */
export async function resumeData(request: ResumeDataRequest): Promise<Dataset> {
  const { folder, record, config, context, events, listener } = request;
  const refuse = (differences: readonly string[]) => dataDiffers({ path: folder.path, differences });
  const order = orderDifferences(record, { data: config.data, context });
  if (order.length > 0) throw refuse(order);

  const source = config.data;
  const { root, key } = record.data;
  const tell = (how: HowFar) => listener({ kind: 'step_progress', step: 'read', ...how });
  const now = await lookAtSources(source, { root, cacheDir: config.data.cache, key }, tell);
  const asked = sourceDifferences(record, config.data);
  // The same text at another place, and limits that change nothing, are the same data.
  if (asked.length > 0 && now.kind === 'unreadable') throw now.error;
  if (asked.length > 0 && now.kind === 'changed') throw refuse(asked);

  const options = batchOptions(config, context);
  for (const place of new Set([record.data.folder, new DataCache(config.data.cache).path(key)])) {
    const dataset = await openUnlessDamaged(place, options, { listener });
    if (dataset === null) continue;
    if (isOf(record, dataset)) {
      tellChanges(request, now);
      return dataset;
    }
    dataset.close();
  }
  const gone = { path: folder.path, folder: record.data.folder };
  if (now.kind === 'unreadable') throw dataGone({ ...gone, problem: now.error.diagnostic.what, changes: [] });
  if (now.kind === 'changed') {
    const problem = 'the text has changed since';
    throw dataGone({ ...gone, problem, changes: changesOf(request, now) });
  }
  events.emit({
    kind: 'warning',
    code: 'run/data-made-again',
    message: `${record.data.folder} is gone: its data is prepared again`,
  });
  const dataset = await prepareData(source, { ...options, root, cacheDir: config.data.cache }, listener);
  if (isOf(record, dataset)) return dataset;
  dataset.close();
  throw dataGone({ ...gone, problem: `${dataset.folder} holds other data under its name: remove it`, changes: [] });
}

/** Whether a data set is the run's, to its tokenizer. */
const isOf = ({ data, tokenizer }: RunRecord, { manifest, tokenizerFile }: Dataset): boolean =>
  manifest.key === data.key && fileHash(tokenizerFile) === tokenizer.sha256;

function tellChanges(request: ResumeDataRequest, now: SourcesNow): void {
  if (now.kind === 'same') return;
  const changes = now.kind === 'changed' ? changesOf(request, now) : [];
  const what =
    now.kind === 'unreadable'
      ? `the text that this run was begun with cannot be read any more (${now.error.diagnostic.what})`
      : `the text has changed since this run began${changes.length > 0 ? ` (${listed(changes)})` : ''}`;
  const message = `${what}: it goes on with the text that it was prepared with; to train on what is there now, begin a new run`;
  request.events.emit({ kind: 'warning', code: 'run/sources-changed', message });
}

/** None where the run has no list of its sources. */
function changesOf(
  { folder, record }: ResumeDataRequest,
  { sources }: Extract<SourcesNow, { kind: 'changed' }>,
): readonly string[] {
  const before = readSourceList(folder.file(sourcesName));
  if (before === null) return [];
  const changes = sourceChanges(before, sources);
  const { file } = record.data.source.tokenizer;
  return changes.length === 0 && file !== null ? [`${file} edited`] : changes;
}
