/** The sample and the summary, once the ranks are done: what fails here has nothing to lose, and says so. */
import type { TrainConfig } from '../config/schema.js';
import type { LanguageModel } from '../nn/language_model.js';
import type { RunFolder } from '../run/folder.js';
import type { RunSummary, TrainEvents } from '../train/events.js';
import { generate } from '../train/generate.js';
import { measuredPeak } from '../train/matmul_peak.js';
import { afterTraining } from '../train/after_training.js';
import type { RankResult } from '../train/train_rank.js';
import type { StopNote } from './stop_note.js';
import type { RunSurroundings } from './surroundings.js';

export interface FinishRequest {
  readonly surroundings: RunSurroundings;
  readonly config: TrainConfig;
  readonly folder: RunFolder;
  readonly events: TrainEvents;
  readonly model: LanguageModel;
  readonly result: RankResult;
  readonly stop: StopNote;
}

export async function finish({
  surroundings,
  config,
  folder,
  events,
  model,
  result,
  stop,
}: FinishRequest): Promise<RankResult> {
  const failures: unknown[] = [];
  const attempt = (part: string, work: () => void | Promise<void>) =>
    afterTraining(part, folder.path, work).catch((error: unknown) => void failures.push(error));
  const interrupted = () => result.interrupted || stop.asked !== null;
  if (!interrupted() && config.sample.tokens > 0) {
    await attempt('the sample', async () => {
      const text = await sampleOf(config, folder, model, interrupted);
      if (text === null) return;
      events.emit({ kind: 'sample', step: result.summary.steps, prompt: config.sample.prompt, text });
    });
  }
  const summary = interrupted() ? result.summary : await withPeak(config, result.summary);
  await attempt('the summary', () => surroundings.writeSummary(folder, summary));
  events.emit({ kind: 'summary', summary });
  if (failures.length > 0) throw failures[0];
  return { summary, interrupted: interrupted(), complete: result.complete };
}

/** What the model writes at the end of a run; null where a signal came before it was done. */
async function sampleOf(
  config: TrainConfig,
  folder: RunFolder,
  model: LanguageModel,
  interrupted: () => boolean,
): Promise<string | null> {
  const onText = () => requireTime(interrupted);
  try {
    return await generate(folder.path, { ...config.sample, seed: config.seed, onText, model });
  } catch (error) {
    if (error instanceof NoTime) return null;
    throw error;
  }
}

class NoTime extends Error {}

function requireTime(interrupted: () => boolean): void {
  if (interrupted()) throw new NoTime('a signal came');
}

/** A share above one says that the peak was measured while the machine was busy: it is measured again, and left out if that is no help. */
async function withPeak(config: TrainConfig, summary: RunSummary): Promise<RunSummary> {
  if (summary.peakShare === null || summary.peakShare <= 1) return summary;
  const before = await measuredPeak(config);
  const now = await measuredPeak(config, { again: true });
  const share = (summary.peakShare * before!) / now!;
  return { ...summary, peakShare: share > 1 ? null : share };
}
