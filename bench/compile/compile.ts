/**
 * `npm run bench -- compile`: seconds from a model to the verified program of all ranks, phase by phase, on one core and without a tensor.
 *
 *   trace       the model's graph, its backward and its precision
 *   quote       what the plan comes to, from the traced graphs
 *   own class   placement and program of the last rank's class, from the traced graphs: what one process of many needs
 *   own proof   what that class says by itself, as its first rank proves and tells it
 *   partition   layouts of every value, reshards, buckets
 *   lower       instructions, lanes, addresses, loops, of all classes
 *   verify      what each class says by itself, of all classes
 *   meetings    what classes say to each other, as rank 0 reads and proves it
 *
 * Each entry is a process of its own, ended at a limit of time: what it had not finished by then is missing in its row.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { nodeArguments } from '../processes.js';
import type { Row } from '../rows.js';
import { compileEntries, ranksOf, type CompileEntry } from './entries.js';

export const phases = ['trace', 'quote', 'own class', 'own proof', 'partition', 'lower', 'verify', 'meetings'] as const;

/** Which phases there are of each part that can be asked for. Every part begins with a trace. */
export const phasesOfParts = {
  quote: ['quote'],
  'own class': ['own class', 'own proof'],
  'all classes': ['partition', 'lower', 'verify', 'meetings'],
} as const satisfies Record<string, readonly (typeof phases)[number][]>;

export type CompilePart = keyof typeof phasesOfParts;

export const compileParts = Object.keys(phasesOfParts) as readonly CompilePart[];

/** What the process of an entry prints as each phase ends. */
export interface PhaseReport {
  readonly phase: (typeof phases)[number];
  readonly seconds: number;
  /** Of the processor: what other work on the machine changes least. */
  readonly processorSeconds: number;
  /** Resident at most since the process began. */
  readonly peakBytes: number;
  /** Of the phase that makes them. */
  readonly classes?: number;
  /** Arena over live bytes, of the class where it is most. */
  readonly arenaOverLive?: number;
}

export interface CompileOptions {
  /** Entries whose name contains this. */
  readonly only?: string;
  readonly parts: readonly CompilePart[];
  /** Longest that an entry may take. */
  readonly limitSeconds: number;
  readonly emit: (row: Row) => void;
}

export async function runCompile({ only = '', parts, limitSeconds, emit }: CompileOptions): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const entry of compileEntries.filter(({ name }) => name.includes(only))) {
    const row = await rowOf(entry, parts, limitSeconds);
    emit(row);
    rows.push(row);
  }
  return rows;
}

export function printCompileRow(row: Row): void {
  const { name, ours, unit, ranks, classes, missing = {} } = row;
  const wall = row.seconds as Readonly<Record<string, number>>;
  const processor = row.processor_seconds as Readonly<Record<string, number>>;
  const parts = Object.keys(wall).map(
    (phase) => `${phase} ${wall[phase].toFixed(1)} (processor ${processor[phase].toFixed(1)})`,
  );
  const why = Object.entries(missing).map(([phase, reason]) => `${phase}: ${reason}`);
  const peak = row.peak_rss_bytes === null ? [] : [`peak ${((row.peak_rss_bytes as number) / 1e9).toFixed(2)} GB`];
  const ratio = row.arena_over_live as number | null;
  const sizes = [
    `${String(ranks)} ranks`,
    ...(classes === null ? [] : [`${String(classes)} classes`]),
    ...(ratio === null ? [] : [`arena ${ratio.toFixed(3)} × live`]),
  ];
  console.log([name, `${ours.toFixed(1)} ${unit}`, ...sizes, ...parts, ...why, ...peak].join('  '));
}

async function rowOf(entry: CompileEntry, parts: readonly CompilePart[], limitSeconds: number): Promise<Row> {
  const { reports, seconds, peakBytes, end } = await compileInProcess(entry.name, parts, limitSeconds);
  const byPhase = (of: (report: PhaseReport) => number) =>
    Object.fromEntries(reports.map((report) => [report.phase, of(report)]));
  const done = byPhase((report) => report.seconds);
  const asked: readonly string[] = ['trace', ...parts.flatMap((part) => phasesOfParts[part])];
  const failed = phases.find((phase) => asked.includes(phase) && !(phase in done));
  return {
    name: `compile/${entry.name}`,
    unit: 'seconds',
    // Without what Node takes to start; up to the end of a process that did not come to its own.
    ours: failed === undefined ? reports.reduce((sum, report) => sum + report.seconds, 0) : seconds,
    peers: {},
    ratio: null,
    target: null,
    ranks: ranksOf(entry),
    classes: reports.find(({ classes }) => classes !== undefined)?.classes ?? null,
    arena_over_live: reports.find(({ arenaOverLive }) => arenaOverLive !== undefined)?.arenaOverLive ?? null,
    seconds: done,
    processor_seconds: byPhase((report) => report.processorSeconds),
    peak_rss_bytes: peakBytes,
    ...(failed !== undefined && { missing: { [failed]: end } }),
  };
}

interface EntryRun {
  readonly reports: readonly PhaseReport[];
  readonly seconds: number;
  readonly peakBytes: number | null;
  /** Why the process ended. */
  readonly end: string;
}

function compileInProcess(name: string, parts: readonly CompilePart[], limitSeconds: number): Promise<EntryRun> {
  const child = spawn(process.execPath, [...nodeArguments('compile/entry_main'), name, ...parts], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const began = performance.now();
  const reports: PhaseReport[] = [];
  let errors = '';
  let peakAtLimit: number | null = null;
  createInterface({ input: child.stdout }).on('line', (line) => reports.push(JSON.parse(line) as PhaseReport));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const limit = setTimeout(() => {
    peakAtLimit = residentPeak(child.pid!);
    child.kill('SIGKILL');
  }, limitSeconds * 1000);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      const seconds = (performance.now() - began) / 1000;
      const failure = errors.split('\n').find((line) => /Error|error/.test(line)) ?? `exit ${code ?? signal}`;
      const end = signal === 'SIGKILL' && seconds >= limitSeconds ? `not done after ${limitSeconds} s` : failure;
      resolve({ reports, seconds, peakBytes: peakAtLimit ?? reports.at(-1)?.peakBytes ?? null, end });
    });
  });
}

/** The most bytes that a running process was resident with, where the system tells. */
function residentPeak(pid: number): number | null {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kilobytes === undefined ? null : Number(kilobytes) * 1024;
  } catch {
    return null;
  }
}
