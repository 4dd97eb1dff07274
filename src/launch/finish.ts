/** The sample and the summary, once the ranks are done: what fails here has nothing to lose, and says so. */
import type { TrainConfig } from '../config/schema.js';
import type { LanguageModel } from '../nn/language_model.js';
import { systemProblem } from '../ir/system_error.js';
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
  const interrupted = () => result.interrupted || stop.asked;
  if (!interrupted() && config.sample.tokens > 0) {
    await attempt('the sample', async () => {
      const { prompt } = config.sample;
      const step = result.summary.steps;
      const told = (text: string) => events.emit({ kind: 'sample_text', step, text });
      let before = prompt;
      const onText = (text: string) => {
        requireTime(interrupted);
        // What keeps a sample from being made is said before its prompt.
        told(before + text);
        before = '';
      };
      const text = await sampleOf(config, folder, model, onText);
      if (text !== null) events.emit({ kind: 'sample', step, prompt, text });
    });
  }
  const picture = drawPicture(surroundings, folder, result.summary, events);
  const measured = interrupted() ? result.summary : await withPeak(config, result.summary);
  const summary = { ...measured, picture };
  await attempt('the summary', () => surroundings.writeSummary(folder, summary));
  events.emit({ kind: 'summary', summary });
  if (failures.length > 0) throw failures[0];
  const aborted = interrupted() && (result.aborted || !result.interrupted) && !stop.signalled;
  return { summary, interrupted: interrupted(), aborted, complete: result.complete };
}

/** The file of the run's losses as a picture, which can be drawn again at any time; null where it could not be, which is told. */
function drawPicture(
  surroundings: RunSurroundings,
  folder: RunFolder,
  { unigramLoss: unigram, bigramLoss: bigram, keepsText }: RunSummary,
  events: TrainEvents,
): string | null {
  try {
    const drawn = surroundings.drawCurve(folder, { unigram, bigram, bytesPerToken: null, keepsText });
    events.emit({ kind: 'curve', ...drawn });
    return drawn.file;
  } catch (error) {
    const { problem } = systemProblem(error);
    events.emit({ kind: 'warning', code: 'launch/no-picture', message: `the losses have not been drawn: ${problem}` });
    return null;
  }
}

/** What the model writes at the end of a run; null where it was to stop before it was done. */
async function sampleOf(
  config: TrainConfig,
  folder: RunFolder,
  model: LanguageModel,
  onText: (text: string) => void,
): Promise<string | null> {
  try {
    return await generate(folder.path, { ...config.sample, seed: config.seed, onText, model });
  } catch (error) {
    if (error instanceof NoTime) return null;
    throw error;
  }
}

class NoTime extends Error {}

function requireTime(interrupted: () => boolean): void {
  if (interrupted()) throw new NoTime('the run is to stop');
}

/** A share above one says that the peak was measured while the machine was busy: it is measured again, and left out if that is no help. */
async function withPeak(config: TrainConfig, summary: RunSummary): Promise<RunSummary> {
  if (summary.peakShare === null || summary.peakShare <= 1) return summary;
  const before = await measuredPeak(config);
  const now = await measuredPeak(config, { again: true });
  const share = (summary.peakShare * before!) / now!;
  return { ...summary, peakShare: share > 1 ? null : share };
}
