/** The sample and the summary, once the ranks are done. */
import type { TrainConfig } from '../config/schema.js';
import type { LanguageModel } from '../nn/language_model.js';
import type { RunFolder } from '../run/folder.js';
import type { RunSummary, TrainEvents } from '../train/events.js';
import { generate } from '../train/generate.js';
import { measuredPeak } from '../train/matmul_peak.js';
import type { RankResult } from '../train/train_rank.js';
import type { RunSurroundings } from './surroundings.js';

export interface FinishRequest {
  readonly surroundings: RunSurroundings;
  readonly config: TrainConfig;
  readonly folder: RunFolder;
  readonly events: TrainEvents;
  readonly model: LanguageModel;
  readonly result: RankResult;
}

export async function finish({
  surroundings,
  config,
  folder,
  events,
  model,
  result,
}: FinishRequest): Promise<RankResult> {
  const { sample } = config;
  if (!result.interrupted && sample.tokens > 0) {
    const options = { ...sample, topK: sample.top_k, seed: config.seed };
    const text = await generate(folder.path, options, () => {}, model);
    events.emit({ kind: 'sample', step: result.summary.steps, prompt: sample.prompt, text });
  }
  const summary = await withPeak(config, result.summary);
  surroundings.writeSummary(folder, summary);
  events.emit({ kind: 'summary', summary });
  return { summary, interrupted: result.interrupted };
}

/** A share above one says that the peak was measured while the machine was busy: it is measured again. */
async function withPeak(config: TrainConfig, summary: RunSummary): Promise<RunSummary> {
  if (summary.peakShare === null || summary.peakShare <= 1) return summary;
  const before = await measuredPeak(config);
  const now = await measuredPeak(config, { again: true });
  return { ...summary, peakShare: (summary.peakShare * before!) / now! };
}
