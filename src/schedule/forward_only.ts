import { forward, type ScheduleTable } from './slot.js';

/**
 * The order of a step that has forwards alone (validation, sampling): microbatches in runs of as many as there are groups, each run through
 * one chunk of a group after the other, as interleaved schedules do. No group waits but for what is on its way, and the values between
 * chunks are held for one run. `groupOf`: chunk → group.
 */
export function forwardOnly(groupOf: readonly number[], microbatches: number): ScheduleTable {
  const groups = Math.max(...groupOf) + 1;
  const all = Array.from({ length: microbatches }, (_, m) => m);
  return Array.from({ length: groups }, (_, group) =>
    all
      .filter((m) => m % groups === 0)
      .flatMap((first) =>
        groupOf.flatMap((on, chunk) =>
          on === group ? all.slice(first, first + groups).map((m) => forward(chunk, m)) : [],
        ),
      ),
  );
}
