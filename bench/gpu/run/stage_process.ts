/** A stage's process: the head of a group of its own, so that whatever it starts ends with it. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../../src/engine/native/package_root.js';

/** One thing to run, in the package's folder, and who hears what it says. */
export interface StageCommand {
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Lines of both streams, as they come; several of standard output at once where they came at once. */
  readonly heard: (lines: readonly string[], stream: 'stdout' | 'stderr') => void;
}

export interface StageProcess {
  /** The group's number; null where the program could not be started. */
  readonly group: number | null;
  /** How it ended: null after status 0, else in words. Never rejects. */
  readonly ended: Promise<string | null>;
  /** Ends the group: asks, and a second later does not ask. */
  cut(): void;
}

const graceMilliseconds = 1000;

export function startProcess({ command, env, heard }: StageCommand): StageProcess {
  const child = spawn(command[0], command.slice(1), {
    cwd: packageRoot(),
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const group = child.pid ?? null;
  const signal = (name: NodeJS.Signals) => {
    try {
      if (group !== null) process.kill(-group, name);
    } catch {
      // The group is gone.
    }
  };
  const ended = new Promise<string | null>((resolve) => {
    child.on('error', (error) => resolve(`cannot be run: ${error.message}`));
    child.on('exit', (code, name) => {
      signal('SIGKILL'); // what it left running
      const end = code === 0 ? null : name ? `ended by ${name}` : `ended with status ${code}`;
      // The last lines are in the pipes still; a process that escaped from the group may hold them open for ever.
      void Promise.race([streams, sleep(graceMilliseconds, undefined, { ref: false })]).then(() => resolve(end));
    });
  });
  const streams = Promise.all([
    hear(child.stdout, (lines) => heard(lines, 'stdout')),
    hear(child.stderr, (lines) => heard(lines, 'stderr')),
  ]);
  return {
    group,
    ended,
    cut: () => {
      signal('SIGTERM');
      setTimeout(() => signal('SIGKILL'), graceMilliseconds).unref();
    },
  };
}

/** Passes lines on in the batches they come in; resolves at the stream's end. */
function hear(stream: Readable, heard: (lines: readonly string[]) => void): Promise<void> {
  let batch: string[] = [];
  const pass = () => {
    const lines = batch;
    batch = [];
    if (lines.length) heard(lines);
  };
  return new Promise((resolve) => {
    createInterface({ input: stream, crlfDelay: Infinity })
      .on('line', (line) => {
        if (batch.length === 0) queueMicrotask(pass);
        batch.push(line);
      })
      .on('close', () => {
        pass();
        resolve();
      });
  });
}
