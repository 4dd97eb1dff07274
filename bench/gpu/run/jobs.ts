/** Stages as jobs: limits by the run's minutes, and the commands that do them. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { nearest } from '../../../src/ir/diagnostic.js';
import type { DeviceType } from '../../../src/kernels/device.js';
import { packageRoot } from '../../../src/engine/native/package_root.js';
import { nodeArguments } from '../../processes.js';
import type { Job } from './run_stages.js';
import { stages, type Stage, type StageWork } from './stages.js';

export interface JobOptions {
  readonly device: DeviceType;
  readonly minutes: number;
  /** Whether there is an interpreter that imports the torch in use. */
  readonly python: boolean;
}

/** The stages that `names`, separated by commas, asks for, in their own order, and those nothing runs without. Null asks for all. */
export function chooseStages(names: string | null, all: readonly Stage[] = stages): readonly Stage[] {
  if (names === null) return all;
  const wanted = names
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  const known = all.map(({ name }) => name);
  for (const name of wanted) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    throw new RangeError(
      `no stage is called '${name}'${near ? `; did you mean '${near}'?` : ''} The stages are ${known.join(', ')}.`,
    );
  }
  return all.filter(({ name, essential }) => essential || wanted.includes(name));
}

/** The minutes that limits of {@link stages} are for. */
const usualMinutes = 8;

export function jobOf(stage: Stage, options: JobOptions): Job {
  const { name, shows, essential, work } = stage;
  return {
    ...{ name, shows, essential },
    // What nothing runs without has as long as the run has.
    limit: essential ? options.minutes * 60 : (stage.seconds * options.minutes) / usualMinutes,
    command: (seconds) => commandOf(work, options, seconds),
    known: withoutPython(work, options),
  };
}

function commandOf(work: StageWork, { device, python }: JobOptions, seconds: number): ReturnType<Job['command']> {
  if ('program' in work) {
    const options = ['--device', device, '--seconds', String(Math.floor(seconds))];
    return { command: [process.execPath, ...nodeArguments(`gpu/${work.program}`), ...options], env: {} };
  }
  const files = [...work.tests, ...(python ? work.testsOfPython : [])];
  const vitest = path.join(packageRoot(), 'node_modules', 'vitest', 'vitest.mjs');
  const own = fileURLToPath(import.meta.url);
  const reporter = fileURLToPath(new URL(`test_reporter${path.extname(own)}`, import.meta.url));
  return {
    command: [process.execPath, vitest, 'run', '--reporter', reporter, ...files],
    env: { FLOTILLA_TEST_DEVICE: device },
  };
}

function withoutPython(work: StageWork, { python }: JobOptions): Job['known'] {
  if (python || 'program' in work) return [];
  const reason = 'no Python interpreter is known to import the torch that is used';
  return work.testsOfPython.map((file) => ({ file, state: 'not run', reason }));
}
