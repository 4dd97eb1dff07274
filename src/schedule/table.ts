/**
 * Pipeline schedules as tables: for each stage, the order of (direction, microbatch). Generators make them, the program verifier
 * proves that they complete; the engine knows no schedule.
 *
 *   1f1b, 2 stages, 3 microbatches       stage 0: F0 F1 B0 F2 B1 B2        stage 1: F0 B0 F1 B1 F2 B2
 */
import { unknownSchedule } from './diagnostics.js';
import type { ScheduleTable, Slot } from './slot.js';

export type ScheduleKind = 'gpipe' | '1f1b';

export function scheduleTable(kind: ScheduleKind, stages: number, microbatches: number): ScheduleTable {
  const generator = generators[kind];
  if (!generator) throw unknownSchedule({ kind, known: Object.keys(generators) });
  return Array.from({ length: stages }, (_, stage) =>
    generator(stage, stages, microbatches).map((slot) => ({ ...slot, chunk: stage })),
  );
}

type Work = Omit<Slot, 'chunk'>;

/** All forwards, then all backwards (Huang et al. 2019, arXiv:1811.06965): every microbatch's residuals are alive at once. */
function gpipe(_stage: number, _stages: number, microbatches: number): Work[] {
  const all = (direction: Slot['direction']) =>
    Array.from({ length: microbatches }, (_, microbatch) => ({ direction, microbatch }));
  return [...all('forward'), ...all('backward')];
}

/**
 * One forward, one backward (PipeDream-Flush; Narayanan et al. 2021, arXiv:2104.04473, §2.2.1): stage s of p holds the residuals of
 * at most p − s microbatches.
 */
function oneForwardOneBackward(stage: number, stages: number, microbatches: number): Work[] {
  const warmup = Math.min(stages - 1 - stage, microbatches);
  const slots: Work[] = [];
  for (let m = 0; m < warmup; m++) slots.push({ direction: 'forward', microbatch: m });
  for (let m = warmup; m < microbatches; m++) {
    slots.push({ direction: 'forward', microbatch: m }, { direction: 'backward', microbatch: m - warmup });
  }
  for (let m = microbatches - warmup; m < microbatches; m++) slots.push({ direction: 'backward', microbatch: m });
  return slots;
}

const generators: Readonly<Record<ScheduleKind, (stage: number, stages: number, microbatches: number) => Work[]>> = {
  gpipe,
  '1f1b': oneForwardOneBackward,
};
