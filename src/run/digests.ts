/**
 * `digests/RANK.jsonl`: what tells one run from another, step by step. Each process writes what its ranks stand for; what all of them wrote
 * adds up to hashes of whole tensors, whatever the plan. Two runs that took the same steps have the same digests, bit for bit.
 *
 *   began   once for each start of the run: the step it begins from, its processes, the hash of every tensor of the state
 *   step    steps done, and of rank 0 the loss, the gradient's norm, where its data begins and the hash of that; the hash of every parameter after the update
 *
 * A start from a checkpoint drops its process's lines of later steps. Those of processes that the run no longer has stay, and are not read:
 * rank 0's lines say how many there were.
 */
import { appendFileSync, closeSync, constants, lstatSync, openSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { makeFolder } from '../data/make_folder.js';
import { join } from 'node:path';
import { digestsName, type RunFolder } from './folder.js';
import { parseHashes } from './state_hashes.js';
import { writeWhole } from './write_whole.js';

const number = z.number().nullable();
const beganSchema = z.strictObject({
  kind: z.literal('began'),
  /** Steps done before. */
  step: z.int().nonnegative(),
  processes: z.int().positive(),
  /** Of the state, in order; the parameters among them, by their places. */
  tensors: z.array(z.string()),
  parameters: z.array(z.int().nonnegative()),
  state: z.string(),
});
const stepSchema = z.strictObject({
  kind: z.literal('step'),
  /** Steps done, this one included. */
  step: z.int().positive(),
  loss: number.optional(),
  gradient_norm: number.optional(),
  samples: z.int().nonnegative().optional(),
  data: z.string().optional(),
  parameters: z.string(),
});

export type BeganLine = z.infer<typeof beganSchema>;
export type StepLine = z.infer<typeof stepSchema>;
type DigestLine = BeganLine | StepLine;

/** What a start of the run began from. */
export interface BeganDigest {
  readonly step: number;
  readonly processes: number;
  /** Tensor → the hash of its content. */
  readonly state: ReadonlyMap<string, string>;
}

/** What a step came to. */
export interface StepDigest {
  readonly step: number;
  readonly loss: number | null;
  readonly gradientNorm: number | null;
  /** Sequences read before it: where its batch begins in the run's order. */
  readonly samples: number;
  /** Of its tokens and labels, in the order of the batch. */
  readonly data: string;
  /** Parameter → the hash of its content after the update. */
  readonly parameters: ReadonlyMap<string, string>;
}

export interface RunDigests {
  /** By the steps they begin from; at least one. */
  readonly began: readonly BeganDigest[];
  /** Of which every process has written its part, in order. */
  readonly steps: readonly StepDigest[];
}

const fileOf = (folder: RunFolder, rank: number): string => join(folder.file(digestsName), `${rank}.jsonl`);

/** Keeps the digests of a process up to `step`, and takes more. Throws `run/folder-not-written`. */
export function openDigests(folder: RunFolder, rank: number, step: number): { append(line: DigestLine): void } {
  makeFolder(folder.file(digestsName));
  const path = fileOf(folder, rank);
  const kept = linesIn(path).filter((line) => (line.kind === 'step' ? line.step <= step : line.step < step));
  writeWhole(path, kept.map(textOf).join(''));
  const { O_WRONLY, O_APPEND, O_NOFOLLOW } = constants;
  return {
    append(line) {
      const file = openSync(path, O_WRONLY | O_APPEND | O_NOFOLLOW);
      try {
        appendFileSync(file, textOf(line));
      } finally {
        closeSync(file);
      }
    },
  };
}

const textOf = (line: DigestLine): string => `${JSON.stringify(line)}\n`;

/** Lines that are whole; none of what is no ordinary file, such as a link out of the folder. */
function linesIn(path: string): readonly DigestLine[] {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isFile()) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((text) => parseLine(text) ?? []);
}

function parseLine(text: string): DigestLine | null {
  try {
    const json: unknown = JSON.parse(text);
    return beganSchema.safeParse(json).data ?? stepSchema.safeParse(json).data ?? null;
  } catch {
    return null;
  }
}

/** The digests of a run; null where it has written none. */
export function readDigests(folder: RunFolder): RunDigests | null {
  const leading = linesIn(fileOf(folder, 0));
  const began: BeganDigest[] = [];
  const steps: StepDigest[] = [];
  const lines = new ProcessLines(folder);
  let start: BeganLine | null = null;
  for (const line of leading) {
    if (line.kind === 'began') {
      start = line;
      const state = lines.sumOf(line, line.processes, line.tensors, (one) => one.kind === 'began' && one.state);
      if (state) began.push({ step: line.step, processes: line.processes, state });
    } else if (start !== null && line.data !== undefined && line.samples !== undefined) {
      const names = start.parameters.map((place) => start!.tensors[place]);
      const { step, loss = null, gradient_norm: gradientNorm = null, samples, data } = line;
      const parameters = lines.sumOf(line, start.processes, names, (one) => one.kind === 'step' && one.parameters);
      if (parameters) steps.push({ step, loss, gradientNorm, samples, data, parameters });
    }
  }
  return began.length === 0 ? null : { began, steps };
}

/** What the processes of a run have written, each read once. */
class ProcessLines {
  readonly #folder: RunFolder;
  readonly #files = new Map<number, ReadonlyMap<string, DigestLine>>();

  constructor(folder: RunFolder) {
    this.#folder = folder;
  }

  /** Hashes by name, over all processes; null where one of them has not written its part. */
  sumOf(
    { kind, step }: DigestLine,
    processes: number,
    names: readonly string[],
    hashes: (line: DigestLine) => string | false,
  ): ReadonlyMap<string, string> | null {
    const sums = new Uint32Array(2 * names.length);
    for (let rank = 0; rank < processes; rank++) {
      const line = this.#of(rank).get(`${kind} ${step}`);
      const text = line ? hashes(line) : false;
      const words = text === false ? null : parseHashes(text, names.length);
      if (words === null) return null;
      words.forEach((word, i) => (sums[i] += word));
    }
    return new Map(names.map((name, i) => [name, hex(sums.subarray(2 * i, 2 * i + 2))]));
  }

  #of(rank: number): ReadonlyMap<string, DigestLine> {
    const known = this.#files.get(rank);
    if (known) return known;
    const lines = new Map(linesIn(fileOf(this.#folder, rank)).map((line) => [`${line.kind} ${line.step}`, line]));
    this.#files.set(rank, lines);
    return lines;
  }
}

/** A hash as it is shown. */
export const hex = (words: Uint32Array): string =>
  [...words].map((word) => word.toString(16).padStart(8, '0')).join('');
