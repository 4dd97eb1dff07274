/** What cannot be as it would have been, of a run that goes on with another batch or length: said before its first step. */
import type { Manifest } from '../checkpoint/index.js';
import type { TrainConfig } from '../config/schema.js';
import { learningRate, warmupOf, type Schedule } from '../optim/schedule.js';
import type { RunRecord } from '../run/record.js';
import { countersOf } from './counters.js';

export interface Notice {
  readonly code: string;
  readonly message: string;
}

export interface NoticeRequest {
  readonly before: TrainConfig;
  readonly config: TrainConfig;
  readonly record: RunRecord;
  /** Length of the run from now on; null while it is not known. */
  readonly steps: number | null;
  readonly manifest: Manifest;
  /** What the model traces. */
  readonly forward: string;
}

export const resumeNotices = (request: NoticeRequest): readonly Notice[] =>
  [batchNotice(request), seedNotice(request), scheduleNotice(request)].filter((notice) => notice !== null);

function batchNotice({ record, config, manifest, forward }: NoticeRequest): Notice | null {
  const { batch: was } = record;
  const { batch: is } = config;
  if (was.sequences === is.sequences && was.microbatch === is.microbatch) return null;
  const { step, samples } = countersOf(manifest, record.order.context);
  const changes = [
    ...(was.sequences === is.sequences ? [] : [`steps of ${is.sequences} sequences in place of ${was.sequences}`]),
    ...(was.microbatch === is.microbatch ? [] : [`microbatches of ${is.microbatch} in place of ${was.microbatch}`]),
  ];
  const others = [
    // Masks are a function of the step, the microbatch and the place in it; queues and balance are those of a microbatch.
    ...(hasDropout(forward) ? ['the masks of dropout'] : []),
    ...(/ = topk\(/.test(forward) && was.microbatch !== is.microbatch
      ? ["the experts' balance loss and dropped choices"]
      : []),
    ...(was.sequences === is.sequences
      ? []
      : ['the sequences that validation takes, so that its losses do not compare exactly']),
  ];
  const message = [
    `from step ${step + 1} on: ${changes.join(', ')}`,
    `it goes on at sequence ${samples} of the order, each is read once an epoch`,
    ...(was.sequences === is.sequences ? [] : ['the learning rate follows steps, whatever their size']),
    ...(others.length > 0 ? [`not as they would have been: ${others.join('; ')}`] : []),
  ].join('; ');
  return { code: 'run/batch-changed', message };
}

function seedNotice({ config, manifest, forward }: NoticeRequest): Notice | null {
  const { seed } = manifest.randomness;
  if (config.seed === seed) return null;
  const effect = hasDropout(forward)
    ? `from step ${manifest.step + 1} on dropout draws by seed ${config.seed} in place of ${seed}`
    : `a seed of ${config.seed} in place of ${seed} changes nothing: first values are past, and the model has no dropout`;
  return { code: 'run/seed-changed', message: effect };
}

const hasDropout = (forward: string): boolean => / = dropout\(/.test(forward);

function scheduleNotice({ before, config, record, steps, manifest }: NoticeRequest): Notice | null {
  const { step, schedule } = manifest;
  const stepsBefore = record.steps ?? schedule.total_steps;
  if (steps === null) return null;
  const [was, is] = [before.optimizer, config.optimizer];
  const rateBefore = learningRate(was, step, stepsBefore);
  const rate = learningRate(is, step, steps);
  const lengths =
    stepsBefore === steps ? '' : `the run now ends after step ${steps} (it was to end after ${stepsBefore})`;
  if (lengths === '' && rateBefore === rate) return null;
  const now =
    rateBefore === rate
      ? `the next step goes on at ${rateText(rate)}`
      : `the next step has ${rateText(rate)} where it would have had ${rateText(rateBefore)}`;
  const message = [lengths, courseText(is, step, steps), now].filter(Boolean).join('; ');
  return { code: 'run/schedule-changed', message };
}

/** What the learning rate does from `step` finished steps on, until the run of `steps` ends. */
function courseText(schedule: Schedule, step: number, steps: number): string {
  const { schedule: kind, lr: peak, decay_steps: decay } = schedule;
  const warmup = warmupOf(schedule, steps);
  const end = decay ?? steps;
  const falls =
    kind === 'constant'
      ? `is constant${step < warmup ? ` at ${rateText(peak)}` : ''}`
      : decay !== null
        ? `falls until step ${decay} (optimizer.decay_steps), whatever the length`
        : step < warmup
          ? `falls over the rest of the new length, since optimizer.decay_steps is not set`
          : 'falls over the whole of the new length, since optimizer.decay_steps is not set';
  if (step >= warmup) return `the learning rate ${falls}`;
  const rises = `the learning rate rises until step ${warmup} (optimizer.warmup_steps), to ${rateText(peak)}`;
  if (warmup >= steps) return `${rises}: the run ends within its warm-up`;
  return warmup >= end && kind !== 'constant' ? rises : `${rises}, and then ${falls}`;
}

const rateText = (rate: number): string => String(Number(rate.toPrecision(4)));
