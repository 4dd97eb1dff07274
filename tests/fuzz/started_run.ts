/** A run that a test has started as a user does, in a process group of its own, to send signals to and to look at from outside. */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface Ending {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly seconds: number;
}

export class StartedRun {
  readonly child: ChildProcess;
  /** Settles when the process that was started has ended; `seconds` since it was started. */
  readonly ended: Promise<Ending>;
  readonly #folder: string;
  #output = '';

  /** `folder`: where the run's folder is, or will be. */
  constructor(
    command: string,
    args: readonly string[],
    folder: string,
    stdio: StdioOptions = ['ignore', 'pipe', 'pipe'],
  ) {
    this.#folder = folder;
    const began = performance.now();
    this.child = spawn(command, args, { detached: true, stdio });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    this.ended = new Promise((resolve) =>
      this.child.on('exit', (status, signal) =>
        resolve({ status, signal, seconds: (performance.now() - began) / 1000 }),
      ),
    );
  }

  /** What it has printed on both streams. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Steps that metrics.jsonl tells of. */
  get steps(): number {
    const file = path.join(this.#folder, 'metrics.jsonl');
    return existsSync(file) ? (readFileSync(file, 'utf8').match(/"kind":"step"/g) ?? []).length : 0;
  }

  /** Names of its checkpoints. */
  get checkpoints(): readonly string[] {
    const folder = path.join(this.#folder, 'checkpoints');
    return existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith('step-')) : [];
  }

  /** Its rank processes, by rank: children of the process that was started, or of one of them, whose environment says so. */
  ranks(): ReadonlyMap<number, number> {
    const found = new Map<number, number>();
    for (const pid of descendants(this.pid)) {
      const rank = environmentOf(pid).get('RANK');
      if (rank !== undefined && /node$/.test(commandOf(pid))) found.set(Number(rank), pid);
    }
    return found;
  }

  /** Processes of the tokenizers' library that it, or one of its ranks, has started and that run. */
  libraryProcesses(): readonly number[] {
    return descendants(this.pid).filter((pid) => readProc(pid, 'cmdline').includes('child_main'));
  }

  /** Waits until something is so; fails with what was printed when the run ends before, or after `seconds`. */
  async until(what: string, condition: () => boolean, seconds = 120): Promise<void> {
    const deadline = performance.now() + 1000 * seconds;
    while (!condition()) {
      const over = this.child.exitCode !== null || this.child.signalCode !== null;
      if (over || performance.now() > deadline) throw new Error(`${what}: not seen\n${this.#output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends whatever is left of it. */
  killAll(): void {
    for (const pid of [...descendants(this.pid), this.pid]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
  }
}

/** Whether a process runs; a zombie has ended. */
export function isAlive(pid: number): boolean {
  return /^State:\s+[^ZX]/m.test(readProc(pid, 'status'));
}

function descendants(pid: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(Number(name));
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const below = (of: number): readonly number[] =>
    (children.get(of) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(pid);
}

function parentOf(pid: number): number | null {
  const parent = /^PPid:\s+(\d+)/m.exec(readProc(pid, 'status'))?.[1];
  return parent === undefined ? null : Number(parent);
}

const commandOf = (pid: number): string => readProc(pid, 'cmdline').split('\0')[0];

const environmentOf = (pid: number): ReadonlyMap<string, string> =>
  new Map(
    readProc(pid, 'environ')
      .split('\0')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
