/** Everything before the first rank of a run that goes on: it is checked to be the run that it was, and nothing is written yet. */
import type { Checkpoint } from '../checkpoint/index.js';
import type { AbsoluteConfig } from '../config/absolute_paths.js';
import { inSetup } from './in_setup.js';
import { loadModel } from '../config/load_model.js';
import type { TrainConfig } from '../config/schema.js';
import type { LanguageModel } from '../nn/language_model.js';
import { hasWeights, lengthDecided, listed, runCompleted } from '../run/diagnostics.js';
import { refuseFixedOptions } from '../run/fixed_options.js';
import type { RunFolder } from '../run/folder.js';
import { identifyModel, requireModel } from '../run/model_identity.js';
import type { RunRecord } from '../run/record.js';
import { closedOnError } from '../data/dataset.js';
import { dataSource } from '../run/data_identity.js';
import { sharedOtherwise } from '../plan/diagnostics.js';
import type { Plan } from '../plan/plan.js';
import { sharingOf } from '../plan/reproducible.js';
import { choosePlan, readPlan } from './choose_plan.js';
import type { TrainEvents } from './events.js';
import { hasParameters, requireParameters } from './initial_weights.js';
import { contextOf, relay, requireVocab, type OuterJob, type UnwrittenRun } from './prepare_run.js';
import { hostMemory } from './memory/host_memory.js';
import { requireRoom } from './require_room.js';
import { resumeData } from './resume_data.js';
import { resumeNotices } from './resume_notices.js';

export interface ResumeRequest {
  readonly folder: RunFolder;
  readonly record: RunRecord;
  /** As the run was last started. */
  readonly before: TrainConfig;
  /** As it is to go on. */
  readonly config: AbsoluteConfig;
  /** A model that no configuration describes. */
  readonly customModel: LanguageModel | null;
  readonly checkpoint: Checkpoint;
  /** Whether a model that is not the run's may go on with its weights. */
  readonly accept_model_change: boolean;
  readonly events: TrainEvents;
  /** Null where the ranks are ours to start. */
  readonly job: OuterJob | null;
}

/** Throws `run/…`, `plan/…`, `checkpoint/tensors-differ`, `data/…`, `train/…`. */
export async function prepareResume(request: ResumeRequest): Promise<UnwrittenRun> {
  const { folder, record, before, config, customModel, checkpoint, events, job } = request;
  const { manifest } = checkpoint;
  if (config.minutes !== null && config.minutes !== before.minutes && record.steps !== null) {
    throw lengthDecided({ path: folder.path, steps: record.steps });
  }
  const steps = config.steps ?? record.steps;
  if (steps !== null && manifest.step >= steps) throw runCompleted({ path: folder.path, step: manifest.step, steps });
  const { initial_load_path: weights } = config.checkpoint;
  if (weights !== null && weights !== before.checkpoint.initial_load_path) {
    throw hasWeights({ path: folder.path, asked: weights });
  }
  refuseFixedOptions(folder, before, config);
  const context = contextOf(config, customModel);
  const dataset = await resumeData({ folder, record, config, context, events, listener: relay(events) });
  return closedOnError(dataset, () =>
    inSetup(events, 'model and plan', async () => {
      const model = loadModel({ config, customModel }, dataset.vocab);
      requireVocab(model, dataset);
      const identity = identifyModel(model, config);
      tellModelChange(
        requireModel(folder, record.model, identity, {
          accept: request.accept_model_change,
          loads: () => hasParameters(checkpoint, model),
        }),
        events,
      );
      // A plan file may have changed since: the run has its own copy.
      const plan = choosePlan(
        before.plan === config.plan && isFile(config.plan) ? { ...config, plan: folder.file('plan.json') } : config,
        model,
        job?.worldSize ?? null,
      );
      requireSameSharing(folder, plan);
      requireParameters(checkpoint, model, plan.precision.master);
      const ranks = { worldSize: job?.worldSize ?? null, localRanks: job?.localWorldSize ?? null };
      requireRoom({ config, model, plan, host: hostMemory(), events, ...ranks });
      for (const notice of resumeNotices({ before, config, record, steps, manifest, forward: identity.forward })) {
        events.emit({ kind: 'warning', ...notice });
      }
      const kept: RunRecord = {
        ...record,
        data: { ...record.data, folder: dataset.folder, source: dataSource(config.data) },
        batch: config.batch,
        model: identity.record,
        steps,
      };
      return { config, model, plan, dataset, record: kept, forward: identity.forward };
    }),
  );
}

/** Throws `plan/shared-otherwise` where a reproducible run would not go on with the numbers that it would have had. */
function requireSameSharing(folder: RunFolder, plan: Plan): void {
  if (!plan.reproducible) return;
  const trained = readPlan(folder.file('plan.json'));
  if (!trained.reproducible) return;
  const [before, now] = [sharingOf(trained), sharingOf(plan)];
  if (before !== now) throw sharedOtherwise({ before, now, folder: folder.path });
}

const isFile = (plan: TrainConfig['plan']): boolean => typeof plan === 'string' && plan !== 'auto';

/** Says how the model differs from the one that the run has trained, where that was accepted. */
function tellModelChange(differences: readonly string[], events: TrainEvents): void {
  if (differences.length === 0) return;
  const message = `the run goes on with another model than it has trained: ${listed(differences)}`;
  events.emit({ kind: 'warning', code: 'run/model-changed', message });
}
