/** Stages that are a line of shell each. */
import type { Job } from '../../bench/gpu/run/run_stages.js';

export interface FakeStage {
  readonly name: string;
  /** What it does, for bash. */
  readonly does: string;
  readonly limit?: number;
  readonly essential?: boolean;
}

export function jobs(stages: readonly FakeStage[]): readonly Job[] {
  return stages.map(({ name, does, limit = 60, essential = false }) => ({
    ...{ name, shows: '', limit, essential, known: [] },
    command: () => ({ command: ['bash', '-c', does], env: {} }),
  }));
}
