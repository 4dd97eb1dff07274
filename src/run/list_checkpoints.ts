/** What a run has saved: every checkpoint, with what it is worth. */
import { existsSync } from 'node:fs';
import {
  FiniteScan,
  listCheckpoints,
  nodeDisk,
  openCheckpoint,
  readLatest,
  type Checkpoint,
} from '../checkpoint/index.js';
import { readConfig } from '../config/file.js';
import { resolveConfig } from '../config/resolve.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { pathsTold } from './paths_told.js';
import { checkpointFolders } from './checkpoint_folders.js';
import { RunFolder } from './folder.js';
import { lossesAt, type Losses } from './losses_at.js';
import { readMetrics } from './read_metrics.js';

export interface ListedCheckpoint extends Losses {
  readonly step: number;
  readonly path: string;
  /** Whether it is the one that a resume takes. */
  readonly isLatest: boolean;
  /** `verified`: every byte is what was saved, and every number finite. */
  readonly state: 'verified' | 'broken' | 'not finite' | "another run's";
  /** What is wrong with it; null where nothing is. */
  readonly problem: string | null;
  /** Of its files; null where it does not say. */
  readonly bytes: number | null;
}

/** The checkpoints of a run, the highest step first. Reads every byte of them. Throws `run/not-found`, `config/…`. */
export const listRunCheckpoints = (path: string): Promise<readonly ListedCheckpoint[]> => pathsTold(() => list(path));

async function list(path: string): Promise<readonly ListedCheckpoint[]> {
  const folder = RunFolder.open(path);
  const source = folder.file('config.json');
  const { config } = resolveConfig(await readConfig(source), { source });
  const metrics = folder.file('metrics.jsonl');
  const rows = existsSync(metrics) ? readMetrics(metrics) : [];
  const listed: ListedCheckpoint[] = [];
  let isFirst = true;
  for (const directory of checkpointFolders(folder, folder.checkpoints(config))) {
    const found = await listCheckpoints(nodeDisk, directory);
    const latest = (await readLatest(nodeDisk, directory)) ?? found[0]?.name ?? null;
    for (const { name, path: at, step } of found) {
      const isLatest = isFirst && name === latest;
      listed.push({ step, path: at, isLatest, ...(await examine(at, folder.id)), ...lossesAt(rows, step) });
    }
    // Only where a folder has none are those before it what a resume takes.
    isFirst &&= found.length === 0;
  }
  return listed.toSorted((a, b) => b.step - a.step);
}

type Examined = Pick<ListedCheckpoint, 'state' | 'problem' | 'bytes'>;

async function examine(path: string, run: string | null): Promise<Examined> {
  let checkpoint: Checkpoint;
  try {
    checkpoint = await openCheckpoint(nodeDisk, path, run === null ? {} : { run });
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    const state = error.code === 'checkpoint/of-another-run' ? "another run's" : 'broken';
    return { state, problem: error.diagnostic.why ?? error.diagnostic.what, bytes: null };
  }
  try {
    const { bytes } = checkpoint;
    const problem = await notFiniteIn(checkpoint);
    return { state: problem === null ? 'verified' : 'not finite', problem, bytes };
  } finally {
    await checkpoint.close();
  }
}

async function notFiniteIn(checkpoint: Checkpoint): Promise<string | null> {
  for (const name of checkpoint.names()) {
    const scan = new FiniteScan(checkpoint.tensor(name).dtype);
    for await (const chunk of checkpoint.stream(name)) {
      const element = scan.next(chunk);
      if (element !== null) return `element ${element} of '${name}' is not finite`;
    }
  }
  return null;
}

/** Whether a resume, or a sample, could take any of them. */
export const allVerified = (listed: readonly ListedCheckpoint[]): boolean =>
  listed.every(({ state }) => state === 'verified');
