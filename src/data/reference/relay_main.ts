/**
 * A thread between whoever asks, who may wait without turning to his events, and the process of the library, whose answers are events.
 * The process is started when a tokenizer is, and ended when none has been asked for a while.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { workerData, type MessagePort } from 'node:worker_threads';
import type { Answer, Answered, Asked } from './messages.js';

/** How the thread is told what it works with. */
export interface RelayData {
  readonly port: MessagePort;
  /** One number, raised with each answer. */
  readonly answers: Int32Array<SharedArrayBuffer>;
}

/** After so long a large vocabulary is worth its memory no more. */
const idleMilliseconds = 10_000;

/** Of what a process writes before it ends, the last characters are kept. */
const keptCharacters = 4000;

class LibraryProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Set<number>(); // calls that are not answered yet
  readonly #gone: () => void;
  #idle: NodeJS.Timeout | undefined;
  #written = '';

  constructor(gone: () => void) {
    this.#gone = gone;
    const source = import.meta.url.endsWith('.ts');
    const program = fileURLToPath(new URL(`child_main.${source ? 'ts' : 'js'}`, import.meta.url));
    this.#child = fork(program, [], {
      execArgv: ['--expose-gc', ...(source ? ['--import', import.meta.resolve('tsx')] : [])],
      env: { ...process.env, RUST_BACKTRACE: '0', NODE_OPTIONS: '' },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#written = (this.#written + text).slice(-keptCharacters);
    });
    this.#child.on('message', (answered: Answered) => this.#answer(answered));
    this.#child.on('error', ({ message: reason }) => this.#end({ kind: 'ended', reason }));
    this.#child.on('close', (code, signal) => {
      const panic = /panicked at [^\n]*\n([^\n]*)/.exec(this.#written)?.[1];
      this.#end({ kind: 'ended', reason: panic ?? (signal === null ? `exit code ${code}` : `signal ${signal}`) });
    });
  }

  ask(asked: Asked): void {
    clearTimeout(this.#idle);
    this.#waiting.add(asked.call);
    this.#child.send(asked);
  }

  stop(): void {
    this.#child.kill('SIGKILL');
    this.#end({ kind: 'absent' });
  }

  #answer(answered: Answered): void {
    if (this.#waiting.delete(answered.call)) tell(answered);
    if (this.#waiting.size === 0) this.#idle = setTimeout(() => this.stop(), idleMilliseconds);
  }

  /** Of several calls one has ended the process: asked again one by one, it is found. */
  #end(answer: Answer): void {
    clearTimeout(this.#idle);
    this.#gone();
    for (const call of this.#waiting) tell({ call, answer: this.#waiting.size > 1 ? { kind: 'absent' } : answer });
    this.#waiting.clear();
  }
}

const { port, answers } = workerData as RelayData;
let running: LibraryProcess | null = null;

function tell(answered: Answered): void {
  port.postMessage(answered);
  Atomics.add(answers, 0, 1);
  Atomics.notify(answers, 0);
}

function start(): LibraryProcess {
  const started = new LibraryProcess(() => {
    if (running === started) running = null;
  });
  return (running = started);
}

port.on('message', (asked: Asked) => {
  const { call, question } = asked;
  try {
    if (question.kind === 'stop') running?.stop();
    else if (question.kind === 'start') (running ?? start()).ask(asked);
    else if (running !== null) running.ask(asked);
    else tell({ call, answer: { kind: 'absent' } });
  } catch (error) {
    tell({ call, answer: { kind: 'ended', reason: error instanceof Error ? error.message : String(error) } });
  }
});
