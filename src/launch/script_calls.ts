/**
 * A script's calls of train(), resume() and generate(), in the order in which it makes them.
 *
 * Only a script can construct the models of its own, so it runs again in every rank process of a call that trains one. There, the calls
 * before that one do nothing: they give what they gave the launcher, so that the script takes the same way; the call itself becomes the
 * rank; what comes after it is the launcher's. Calls are told apart by their number, and compared by kind and model.
 *
 * In the launcher calls run one after the other: one that is made while another runs waits for its end.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { makeTemporaryFolder } from '../data/temporaries.js';
import { calledWhileImported } from '../config/diagnostics.js';
import { currentImport } from '../config/importing.js';
import { isDiagnostic } from '../config/is_diagnostic.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import type { LanguageModel } from '../nn/language_model.js';
import { anotherCall, anotherModel, callNotReached } from './diagnostics.js';
import { rankFromEnvironment } from './environment.js';
import { writeErrorFile } from './error_file.js';
import { runOfEnvironment, scriptCallSchema, type LaunchedRun, type ScriptCall } from './messages.js';
import { modelHash } from './model_hash.js';

type CallKind = ScriptCall['kind'];

const outcomeSchema = z.union([
  z.strictObject({ value: z.unknown() }),
  z.strictObject({
    error: z.strictObject({
      name: z.string(),
      message: z.string(),
      /** Of a diagnostic. */
      diagnostic: z.looseObject({ code: z.string(), what: z.string(), fix: z.string() }).nullable(),
    }),
  }),
]);

/** What a call came to: its value, which is plain data, or what it threw. */
type Outcome = z.infer<typeof outcomeSchema>;

const endedCallsSchema = z.array(z.strictObject({ call: scriptCallSchema, outcome: outcomeSchema }));

type EndedCall = z.infer<typeof endedCallsSchema>[number];

/** Runs a call of the script in its turn. `model`: the own model that it was given; null: none. Throws what `work` throws. */
export async function inTurn<T>(
  kind: CallKind,
  model: LanguageModel | null,
  work: (call: ScriptCall) => Promise<T>,
): Promise<T> {
  const importing = currentImport();
  if (importing !== null) {
    const error = calledWhileImported({ file: importing.file, call: kind });
    importing.refused.push({ error, model });
    throw error;
  }
  const call: ScriptCall = { number: made++, kind, model: model && modelHash(model) };
  if (rerun !== null) return rerun.meet(call, work);
  const before = last;
  const running = before.then(() => work(call));
  last = running.then(
    (value) => void ended.push({ call, outcome: { value } }),
    (error: unknown) => void ended.push({ call, outcome: { error: errorOf(error) } }),
  );
  return running;
}

/** Calls made so far. */
let made = 0;
/** Those that have ended, by number. */
const ended: EndedCall[] = [];
/** Settles when the last call that was made has ended. */
let last: Promise<void> = Promise.resolve();

/** Hands the ended calls to the processes that run the script again, as a file that lives as long as `work`. */
export async function withEndedCalls<T>(work: (file: string) => Promise<T>): Promise<T> {
  const folder = makeTemporaryFolder('flotilla-calls-');
  try {
    const file = join(folder, 'calls.json');
    writeFileSync(file, JSON.stringify(ended));
    return await work(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Throws where this process has come to another call, or with another model, than the process that leads. */
export function requireSameCall(here: ScriptCall, led: ScriptCall): void {
  if (here.number !== led.number || here.kind !== led.kind) throw anotherCall({ here, led });
  if (here.model !== led.model) throw anotherModel({ call: led });
}

/** The script, run again in a rank process. */
class Rerun {
  readonly #ours: ScriptCall;
  readonly #ended: readonly EndedCall[];
  #reached = false;

  constructor(ours: ScriptCall, file: string) {
    this.#ours = ours;
    this.#ended = endedCallsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    this.#muteUntilReached();
    process.on('exit', (status) => {
      if (this.#reached || status !== 0) return;
      this.#fail(callNotReached({ call: ours, made }));
      process.exitCode = 1;
    });
  }

  async meet<T>(call: ScriptCall, work: (call: ScriptCall) => Promise<T>): Promise<T> {
    // This process ends with its rank's work: what the script does afterwards is not done here.
    if (call.number > this.#ours.number) return new Promise<never>(() => {});
    const earlier = this.#ended[call.number];
    const led = call.number === this.#ours.number ? this.#ours : earlier.call;
    try {
      requireSameCall(call, led);
    } catch (error) {
      this.#fail(error);
      process.exit(1);
    }
    if (led !== this.#ours) return valueOf<T>(earlier.outcome);
    this.#reached = true;
    return work(call);
  }

  /** Says why this rank gives up, where its launcher looks for it. */
  #fail(error: unknown): void {
    const file = rankFromEnvironment()?.errorFile;
    if (file) writeErrorFile(file, error);
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }

  /** What the script prints before its call it has printed in the launcher. */
  #muteUntilReached(): void {
    const write = process.stdout.write.bind(process.stdout);
    const muted = (text: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
      if (this.#reached) return (write as (...all: readonly unknown[]) => boolean)(text, ...rest);
      const done = rest.find((argument) => typeof argument === 'function');
      if (done) process.nextTick(done);
      return true;
    };
    process.stdout.write = muted as typeof process.stdout.write;
  }
}

/** What runs the script again in this process; null in a launcher, and in a process that no script runs in. */
const rerun = rerunOfEnvironment();

function rerunOfEnvironment(): Rerun | null {
  const run = toldRun();
  return run === null || run.endedCalls === null ? null : new Rerun(run.call, run.endedCalls);
}

/** What cannot be read is said once a call needs it, and not by whatever imports this file. */
function toldRun(): LaunchedRun | null {
  try {
    return runOfEnvironment(process.env);
  } catch {
    return null;
  }
}

function valueOf<T>(outcome: Outcome): T {
  if (!('error' in outcome)) return outcome.value as T;
  const { name, message, diagnostic } = outcome.error;
  if (diagnostic === null) throw Object.assign(new Error(message), { name });
  const { code, ...text } = diagnostic;
  throw new DiagnosticError(code, text);
}

function errorOf(error: unknown): Extract<Outcome, { error: unknown }>['error'] {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), diagnostic: null };
  const diagnostic = isDiagnostic(error) ? { code: error.code, ...error.diagnostic } : null;
  return { name: error.name, message: error.message, diagnostic };
}
