/** What `flotilla explain` is pointed at: a run folder or a configuration. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readPlan } from './choose_plan.js';
import type { RunRequest } from './compile_run.js';
import { loadConfig } from '../config/file.js';
import type { ModelChoice } from '../config/own_model.js';
import { explain, type Explanation, type GivenPlan } from './explain.js';
import { stepOfChoice, type CheckpointChoice } from '../run/checkpoint_choice.js';
import { RunFolder } from '../run/folder.js';
import { openRunCheckpoint } from '../run/open_checkpoint.js';
import { requireRunName } from '../run/run_name.js';
import { pathsTold } from '../run/paths_told.js';
import type { Override } from '../config/overrides.js';

export interface ExplainOptions extends ModelChoice {
  readonly planFile?: string;
  readonly overrides?: readonly Override[];
  /** A checkpoint of the run that is to fit: a step, the name of its folder, or `latest`; null: none. */
  readonly checkpoint?: CheckpointChoice | null;
  /** Shown what each pass of the compiler leaves. */
  readonly observe?: RunRequest['observe'];
}

/**
 * `planFile` takes the place of the plan that the run or the configuration has. Throws `run/…`, `checkpoint/…`, and what `explain` throws.
 */
export const explainTarget = (target: string, options: ExplainOptions = {}): Promise<Explanation> =>
  pathsTold(() => explainPlan(target, options));

async function explainPlan(
  target: string,
  { planFile, overrides = [], observe, checkpoint: asked = null, ...choice }: ExplainOptions,
): Promise<Explanation> {
  // A checkpoint is a run's.
  const wanted = asked === null ? null : { step: stepOfChoice(asked) };
  const isRun = wanted !== null || existsSync(join(target, 'config.json'));
  const folder = isRun ? RunFolder.open(target) : null;
  // So that a size beside the file is refused.
  const changes =
    planFile === undefined
      ? overrides
      : [...overrides, { text: `plan=${JSON.stringify(planFile)}`, source: `--plan ${planFile}` }];
  const resolved = await loadConfig(folder ? folder.file('config.json') : target, changes, choice);
  // A folder that a run has is its name already.
  const { name } = resolved.config.logging;
  if (name !== null && (folder === null || overrides.length > 0)) requireRunName(name);
  const given = planFile === undefined ? ownPlan(folder, overrides) : givenPlan(planFile);
  const checkpoint =
    folder && wanted ? await openRunCheckpoint(folder, resolved.config, { ...wanted, verify: 'structure' }) : null;
  try {
    return explain(resolved, { given, run: folder, observe, checkpoint });
  } finally {
    await checkpoint?.close();
  }
}

const givenPlan = (file: string): GivenPlan => ({ plan: readPlan(file), file, ofRun: false });

/** The plan that a run has, unless its configuration is changed. */
const ownPlan = (folder: RunFolder | null, overrides: readonly Override[]): GivenPlan | undefined =>
  folder && overrides.length === 0
    ? { plan: folder.readPlan(), file: folder.file('plan.json'), ofRun: true }
    : undefined;
