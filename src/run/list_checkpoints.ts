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
import { checkpointFolders } from './checkpoint_folders.js';
import { RunFolder } from './folder.js';
import { readMetrics } from './read_metrics.js';

export interface ListedCheckpoint {
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
  /** Nats a token: of its last step, and of the last validation until then; null where the log does not say. */
  readonly trainingLoss: number | null;
  readonly validationLoss: number | null;
}

/** The checkpoints of a run, the highest step first. Reads every byte of them. Throws `run/not-found`, `config/…`. */
export async function listRunCheckpoints(path: string): Promise<readonly ListedCheckpoint[]> {
  const folder = RunFolder.open(path);
  const source = folder.file('config.json');
  const { config } = resolveConfig(await readConfig(source), { source });
  const losses = lossesOf(folder);
  const listed: ListedCheckpoint[] = [];
  let isFirst = true;
  for (const directory of checkpointFolders(folder, folder.checkpoints(config))) {
    const found = await listCheckpoints(nodeDisk, directory);
    const latest = (await readLatest(nodeDisk, directory)) ?? found[0]?.name ?? null;
    for (const { name, path: at, step } of found) {
      const isLatest = isFirst && name === latest;
      listed.push({ step, path: at, isLatest, ...(await examine(at, folder.id)), ...losses(step) });
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
    const bytes = Object.values(checkpoint.manifest.files).reduce((sum, file) => sum + file.bytes, 0);
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

/** What the log says of a step. */
function lossesOf(folder: RunFolder): (step: number) => Pick<ListedCheckpoint, 'trainingLoss' | 'validationLoss'> {
  const file = folder.file('metrics.jsonl');
  const rows = existsSync(file) ? readMetrics(file) : [];
  const ofKind = (wanted: string) =>
    rows.flatMap(({ kind, step, loss }) =>
      kind === wanted && typeof step === 'number' && typeof loss === 'number' ? [{ step, loss }] : [],
    );
  const [steps, validations] = [ofKind('step'), ofKind('validation')];
  return (step) => ({
    trainingLoss: steps.findLast((row) => row.step === step)?.loss ?? null,
    validationLoss: validations.findLast((row) => row.step <= step)?.loss ?? null,
  });
}
