/** Everything before the first rank starts: the engine is there, the data prepared, the model built, the plan legal. */
import { existsSync } from 'node:fs';
import { absolutePaths } from '../config/absolute_paths.js';
import { loadModel } from '../config/load_model.js';
import type { ResolvedConfig } from '../config/resolve.js';
import type { TrainConfig } from '../config/schema.js';
import type { DataEvent, Dataset } from '../data/index.js';
import { openDataset, prepareData } from '../data/index.js';
import { closedOnError } from '../data/dataset.js';
import { addonPath } from '../engine/native/bridge.js';
import { addonNotBuilt, torchNotFound } from '../engine/native/diagnostics.js';
import { locateTorch } from '../engine/native/locate.js';
import type { LanguageModel } from '../nn/language_model.js';
import type { Plan } from '../plan/plan.js';
import { dataSource } from '../run/data_identity.js';
import { fileHash } from '../run/hash.js';
import { identifyModel } from '../run/model_identity.js';
import type { RunRecord } from '../run/record.js';
import { batchOptions } from './batch_options.js';
import { choosePlan, ranksOfConfig } from './choose_plan.js';
import { requireDevice } from './device.js';
import { ranksDiffer, vocabTooSmall } from './diagnostics.js';
import type { TrainEvents } from './events.js';
import { inSetup } from './in_setup.js';
import { findInitialWeights } from './initial_weights.js';
import { hostMemory } from './memory/host_memory.js';
import { requireStateFits } from './memory/require_memory.js';
import { requireRoom } from './require_room.js';

export interface PreparedRun {
  readonly config: TrainConfig;
  readonly model: LanguageModel;
  readonly plan: Plan;
  readonly dataset: Dataset;
  readonly record: RunRecord;
}

/** A run whose folder is to be written. */
export interface UnwrittenRun extends PreparedRun {
  /** What its model traces: the text of model.ir. */
  readonly forward: string;
}

/**
 * Throws before anything is written: `engine/…` where torch or the device is missing, `plan/…`, `data/…`, `train/…`. `job`: the one that an
 * outer launcher has started; null where the ranks are ours to start.
 */
export async function prepareRun(
  { config: written, customModel }: ResolvedConfig,
  { events, job }: { readonly events: TrainEvents; readonly job: OuterJob | null },
): Promise<UnwrittenRun> {
  const root = process.cwd();
  const config = absolutePaths(written, root);
  const described = { config, customModel };
  await requireEngine(config, job);
  const worldSize = job?.worldSize ?? null;
  const ranks = { worldSize, localRanks: job?.localWorldSize ?? null };
  const host = hostMemory();
  requireStateFits(config, ranks, host);
  // What the plan asks of the model hardly depends on the vocabulary, and says what is wrong before a tokenizer is trained.
  if (config.data.tokenizer.file === null)
    await inSetup(events, 'model and plan', () =>
      choosePlan(config, loadModel(described, config.data.tokenizer.vocab), worldSize),
    );
  const context = contextOf(config, customModel);
  const dataset = await prepareData(
    config.data,
    { ...batchOptions(config, context), root, cacheDir: config.data.cache },
    relay(events),
  );
  return closedOnError(dataset, () =>
    inSetup(events, 'model and plan of this vocabulary', async () => {
      const built = loadModel(described, dataset.vocab);
      requireVocab(built, dataset);
      const plan = choosePlan(config, built, worldSize);
      requireRoom({ config, model: built, plan, host, events, ...ranks });
      const begins = config.checkpoint.initial_load_path;
      const weights =
        begins &&
        (await findInitialWeights({
          path: begins,
          model: built,
          dtype: plan.precision.master,
          tokenizerFile: dataset.tokenizerFile,
          events,
        }));
      const { record: modelRecord, forward } = identifyModel(built, config);
      const record: RunRecord = {
        data: { folder: dataset.folder, key: dataset.manifest.key, root, source: dataSource(config.data) },
        tokenizer: { sha256: fileHash(dataset.tokenizerFile) },
        order: { seed: config.data.seed, context },
        batch: config.batch,
        model: modelRecord,
        steps: config.steps,
      };
      const checkpoint = { ...config.checkpoint, initial_load_path: weights };
      return { config: { ...config, checkpoint }, model: built, plan, dataset, record, forward };
    }),
  );
}

/** Opens the data that a run was prepared with. */
export const openRunData = (folder: string, config: TrainConfig, context: number): Dataset =>
  openDataset(folder, batchOptions(config, context));

/** Throws `train/vocab-too-small`. */
export function requireVocab(model: LanguageModel, tokens: Pick<Dataset, 'vocab' | 'tokenizerFile'>): void {
  const { vocab, tokenizerFile } = tokens;
  const rows = model.options.vocab;
  if (rows < vocab) throw vocabTooSmall({ rows, tokens: vocab, tokenizer: tokenizerFile });
}

export const contextOf = ({ model }: TrainConfig, customModel: LanguageModel | null): number =>
  customModel ? customModel.options.context : model.context;

/** Ranks that an outer launcher has started, in all and on this machine. */
export interface OuterJob {
  readonly worldSize: number;
  readonly localWorldSize: number;
}

/** Throws what keeps a configuration's ranks from computing on this machine, before anything else is looked at. */
export async function requireEngine(config: TrainConfig, job: OuterJob | null): Promise<void> {
  if (job && config.ranks !== null && config.ranks !== job.worldSize)
    throw ranksDiffer({ world: job.worldSize, ranks: config.ranks });
  if (config.engine === 'reference') return;
  await requireNativeEngine();
  if (config.device === 'cpu') return;
  const ranks = ranksOfConfig(config, job?.worldSize ?? null);
  requireDevice(config, { ranks, localRanks: job?.localWorldSize ?? ranks });
}

/** Throws `engine/torch-not-found` where there is no torch, `engine/addon-not-built` where only the build is missing. */
export async function requireNativeEngine(where: { addon?: string; env?: NodeJS.ProcessEnv } = {}): Promise<void> {
  const { addon = addonPath(), env } = where;
  if (existsSync(addon)) return;
  const { found, attempts } = await locateTorch(env);
  if (found) throw addonNotBuilt({ path: addon });
  throw torchNotFound({ tried: attempts.map(({ source, path }) => `${source}: ${path ?? 'nothing'}`) });
}

/** What data preparation tells, as events of the run. */
export function relay(events: TrainEvents): (event: DataEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'step_started':
        return events.emit({ kind: 'setup_started', part: partOf[event.step] });
      case 'step_finished':
        return events.emit({
          kind: 'setup_finished',
          part: partOf[event.step],
          seconds: event.seconds,
          detail: event.summary,
        });
      case 'cached':
        return events.emit({ kind: 'setup_finished', part: 'data', seconds: event.seconds, detail: 'prepared before' });
      case 'notice':
        return events.emit({ kind: 'warning', code: 'data/notice', message: event.text });
      case 'step_progress': {
        const { done, total, unit, at: item } = event;
        return events.emit({ kind: 'setup_progress', part: partOf[event.step], done, total, unit, item });
      }
    }
  };
}

const partOf = {
  find: 'data: finding files',
  read: 'data: reading',
  deduplicate: 'data: removing duplicates',
  tokenizer: 'data: tokenizer',
  pack: 'data: packing',
} as const;
