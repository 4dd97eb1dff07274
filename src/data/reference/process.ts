/** The reference library as something that is asked and waited for: see `relay_main.ts` for what is between. */
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import type { Answer, Answered, Asked, Question } from './messages.js';
import type { RelayData } from './relay_main.js';

/** Waits end after so long, so that whoever works in parts can rest. */
const waitMilliseconds = 20;

/** To start the process and to read the largest vocabulary, on a machine that has much else to do. */
const startMilliseconds = 180_000;

/** The process may end by what another tokenizer is asked. */
const mostStarts = 10;

/** What a question comes to: an answer, or none in time. */
export type Reply = Answer | { readonly kind: 'late' };

/** One tokenizer.json in the library, whose process is started where none runs. */
export class ReferenceProcess {
  readonly #start: Extract<Question, { kind: 'start' }>;
  readonly #number: number;

  /** The texts of two tokenizer.json: as it is, and without its special tokens. */
  constructor(texts: { readonly whole: string; readonly ordinary: string }) {
    this.#start = { kind: 'start', ...texts };
    this.#number = tokenizers++;
  }

  /** Loads it: `started`, or why not. In parts as {@link asking}. */
  starting(): Generator<number, Reply, void> {
    return this.asking(this.#start, startMilliseconds);
  }

  /**
   * Waits for the answer in parts of some 20 ms, each of which gives the milliseconds waited. Whoever goes no further leaves nothing
   * behind: the process is ended with the generator.
   */
  *asking(question: Question, milliseconds: number): Generator<number, Reply, void> {
    for (let again = mostStarts; again > 0; again--) {
      const reply = yield* this.#ask(question, milliseconds);
      if (reply.kind !== 'absent') return reply;
      const started = yield* this.#ask(this.#start, startMilliseconds);
      if (started.kind !== 'started') return started;
    }
    return { kind: 'ended', reason: 'its process ends again and again' };
  }

  *#ask(question: Question, milliseconds: number): Generator<number, Reply, void> {
    relay ??= new Relay();
    const call = relay.post(this.#number, question);
    const asked = performance.now();
    let reply: Reply | null = null;
    try {
      while (reply === null) {
        const waited = performance.now() - asked;
        reply = relay.take(call, waitMilliseconds) ?? (waited > milliseconds ? { kind: 'late' } : null);
        if (reply === null) yield waited;
      }
      return reply;
    } finally {
      if (reply === null || reply.kind === 'late') {
        relay.forget(call);
        relay.post(this.#number, { kind: 'stop' });
      }
    }
  }
}

let tokenizers = 0;
/** The thread, started once it is needed. */
let relay: Relay | null = null;

class Relay {
  readonly #port: MessagePort;
  readonly #answers = new Int32Array(new SharedArrayBuffer(4));
  readonly #taken = new Map<number, Answer>(); // answers that arrived while another was waited for
  readonly #forgotten = new Set<number>();
  #calls = 0;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const workerData: RelayData = { port: port2, answers: this.#answers };
    const options = { workerData, transferList: [port2], execArgv: [] };
    const worker = import.meta.url.endsWith('.ts')
      ? new Worker(asTypescript(new URL('relay_main.ts', import.meta.url)), { ...options, eval: true })
      : new Worker(new URL('relay_main.js', import.meta.url), options);
    worker.unref();
    port1.unref();
  }

  post(tokenizer: number, question: Question): number {
    const asked: Asked = { tokenizer, call: this.#calls++, question };
    this.#port.postMessage(asked);
    return asked.call;
  }

  /** The answer to a call; null where there is none after so long. */
  take(call: number, milliseconds: number): Answer | null {
    const seen = Atomics.load(this.#answers, 0);
    if (!this.#collect(call)) {
      Atomics.wait(this.#answers, 0, seen, milliseconds);
      this.#collect(call);
    }
    const answer = this.#taken.get(call) ?? null;
    this.#taken.delete(call);
    return answer;
  }

  /** An answer to this call, should there be one, is for nobody. */
  forget(call: number): void {
    this.#forgotten.add(call);
  }

  #collect(call: number): boolean {
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { readonly message: Answered } | undefined;
      if (received === undefined) return this.#taken.has(call);
      const { call: answered, answer } = received.message;
      if (!this.#forgotten.delete(answered)) this.#taken.set(answered, answer);
    }
  }
}

/** Code that runs a TypeScript program: a thread takes no `--import` of what reads it. */
const asTypescript = ({ href }: URL): string =>
  `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))})
    .then(({ register }) => (register(), import(${JSON.stringify(href)})))`;
