/** What `flotilla explain` is pointed at: a run folder or a configuration. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePlan } from '../plan/parse_plan.js';
import { loadConfig } from './config.js';
import { explain, type Explanation } from './explain.js';
import { RunFolder } from './run_folder.js';

/** `planFile` takes the place of the plan that the run or the configuration has. */
export async function explainTarget(
  target: string,
  { planFile, overrides = [] }: { readonly planFile?: string; readonly overrides?: readonly string[] } = {},
): Promise<Explanation> {
  const isRun = existsSync(join(target, 'config.json'));
  const resolved = await loadConfig(isRun ? join(target, 'config.json') : target, overrides);
  if (planFile !== undefined) return explain(resolved, parsePlan(readFileSync(planFile, 'utf8'), planFile));
  return explain(resolved, isRun && overrides.length === 0 ? RunFolder.open(target).readPlan() : undefined);
}
