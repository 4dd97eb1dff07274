/** What `flotilla explain` is pointed at: a run folder or a configuration. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readPlan } from './choose_plan.js';
import type { RunRequest } from './compile_run.js';
import { loadConfig } from '../config/file.js';
import type { ModelChoice } from '../config/own_model.js';
import { explain, type Explanation } from './explain.js';
import { RunFolder } from '../run/folder.js';

export interface ExplainOptions extends ModelChoice {
  readonly planFile?: string;
  readonly overrides?: readonly string[];
  /** Shown what each pass of the compiler leaves. */
  readonly observe?: RunRequest['observe'];
}

/** `planFile` takes the place of the plan that the run or the configuration has. */
export async function explainTarget(
  target: string,
  { planFile, overrides = [], observe, ...choice }: ExplainOptions = {},
): Promise<Explanation> {
  const isRun = existsSync(join(target, 'config.json'));
  const resolved = await loadConfig(isRun ? join(target, 'config.json') : target, overrides, choice);
  if (planFile !== undefined)
    return explain(resolved, { plan: readPlan(planFile), file: planFile, ofRun: false }, observe);
  const own = isRun && overrides.length === 0;
  const file = join(target, 'plan.json');
  return explain(resolved, own ? { plan: RunFolder.open(target).readPlan(), file, ofRun: true } : undefined, observe);
}
