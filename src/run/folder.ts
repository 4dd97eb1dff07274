/**
 * A run's folder: everything that resuming, sampling, explaining and comparing it need.
 *
 *   config.json      the configuration, every field present       plan.json      the plan
 *   run.json         what was decided once: data, order, model, how many steps (`record.ts`)
 *   sources.json     the files its text came from, with hashes    model.ir       the forward that its model traces
 *   metrics.jsonl    one line an event                            trace.json     the launches of a few steps
 *   checkpoints/     step-NNNNNN/, latest                         tokenizer.json, summary.json
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parsePlan } from '../plan/parse_plan.js';
import type { Plan } from '../plan/plan.js';
import { configText } from '../config/file.js';
import { noRun, recordInvalid, runExists } from './diagnostics.js';
import type { TrainConfig } from '../config/schema.js';
import { readEarlierRecord } from './earlier_record.js';
import { parseRecord, recordText, type RunRecord } from './record.js';

export class RunFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  /** Makes the folder of a new run. Throws `run/exists` where there is one of that name. */
  static create(config: TrainConfig): RunFolder {
    const folder = new RunFolder(join(config.logging.directory, config.logging.name ?? timeName(new Date())));
    if (existsSync(folder.file('config.json'))) throw runExists({ path: folder.path });
    mkdirSync(folder.path, { recursive: true });
    return folder;
  }

  /** Opens a run's folder. Throws `run/not-found`. */
  static open(path: string): RunFolder {
    const folder = new RunFolder(path);
    if (!existsSync(folder.file('config.json'))) throw noRun({ path });
    return folder;
  }

  get name(): string {
    return basename(this.path);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Where checkpoints are: in the folder, unless the configuration says otherwise. */
  checkpoints(config: TrainConfig): string {
    return config.checkpoint.directory === null ? this.file('checkpoints') : resolve(config.checkpoint.directory);
  }

  writeConfig(config: TrainConfig): void {
    this.write('config.json', configText(config));
  }

  writePlan(plan: Plan): void {
    this.write('plan.json', `${JSON.stringify(plan, null, 2)}\n`);
  }

  readPlan(): Plan {
    return parsePlan(readFileSync(this.file('plan.json'), 'utf8'), this.file('plan.json'));
  }

  writeRecord(record: RunRecord): void {
    this.write('run.json', recordText(record));
  }

  /** Throws `run/record-invalid`. */
  readRecord(): RunRecord {
    const file = this.file('run.json');
    if (!existsSync(file)) throw recordInvalid({ file, problem: 'it is missing' });
    const text = readFileSync(file, 'utf8');
    return readEarlierRecord(text, this) ?? parseRecord(text, file);
  }

  /** Replaces a file whole: a reader sees the old one or the new one. */
  write(name: string, text: string): void {
    const file = this.file(name);
    writeFileSync(`${file}.tmp`, text);
    renameSync(`${file}.tmp`, file);
  }
}

/** `2026-01-31-09-05-07`, in local time. */
function timeName(now: Date): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())];
  return [...date, two(now.getHours()), two(now.getMinutes()), two(now.getSeconds())].join('-');
}
