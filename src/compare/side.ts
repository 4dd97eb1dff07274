/** A run that is compared, opened: what it was asked for, what it decided, what its steps came to. */
import { existsSync, readFileSync } from 'node:fs';
import { loadConfig } from '../config/file.js';
import type { ModelChoice } from '../config/own_model.js';
import type { ResolvedConfig } from '../config/resolve.js';
import type { Plan } from '../plan/plan.js';
import { planText } from '../plan/plan_text.js';
import { readDigests, type RunDigests } from '../run/digests.js';
import { RunFolder } from '../run/folder.js';
import { RunLock } from '../run/lock.js';
import { modelDifferencesOf } from '../run/model_identity.js';
import type { RunRecord } from '../run/record.js';
import type { ComparedRun } from './comparison.js';
import { modelsDiffer, noDigests } from './diagnostics.js';

export interface Side {
  readonly run: ComparedRun;
  readonly folder: RunFolder;
  readonly resolved: ResolvedConfig;
  readonly record: RunRecord;
  readonly plan: Plan;
  readonly digests: RunDigests | null;
}

/** Throws `run/…`, `plan/…`, `config/…`. */
export async function openSide(path: string, choice: ModelChoice): Promise<Side> {
  const folder = RunFolder.open(path);
  const resolved = await loadConfig(folder.file('config.json'), [], choice);
  const record = folder.readRecord();
  const plan = folder.readPlan();
  const digests = readDigests(folder);
  const { precision, engine } = resolved.config;
  const run: ComparedRun = {
    path,
    what: `${planText(plan)}, ${precision}, ${engine}`,
    lastStep: digests?.steps.at(-1)?.step ?? null,
    isGoing: RunLock.presumedHolder(folder.path) !== null,
  };
  return { run, folder, resolved, record, plan, digests };
}

/** Throws `compare/no-digests`. */
export function digestsOf({ run, digests, resolved }: Side): RunDigests {
  if (digests && digests.steps.length > 0) return digests;
  const isOff = resolved.config.logging.digest_every_steps === null;
  throw noDigests({ path: run.path, isOff, isGoing: run.isGoing });
}

/** Throws `compare/models-differ`. */
export function requireOneModel(a: Side, b: Side): void {
  const file = b.folder.file('model.ir');
  const forward = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const differences = modelDifferencesOf(a.folder, a.record.model, { record: b.record.model, forward });
  if (differences.length > 0) throw modelsDiffer({ paths: [a.run.path, b.run.path], differences });
}
