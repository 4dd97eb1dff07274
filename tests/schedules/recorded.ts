import { readFileSync } from 'node:fs';
import type { ScheduleShape } from '../../src/schedule/kind.js';

/** A schedule as PyTorch makes it: one row a rank, in its CSV form. */
export interface RecordedSchedule extends ScheduleShape {
  readonly kind: string;
  readonly rows: readonly string[];
}

/** What `record.ts` wrote down. */
export const recordedSchedules = (): readonly RecordedSchedule[] =>
  JSON.parse(readFileSync(new URL('pytorch.json', import.meta.url), 'utf8')) as readonly RecordedSchedule[];
