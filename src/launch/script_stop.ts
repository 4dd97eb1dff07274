/**
 * What a signal to one call of a script means for those behind it. Whoever sends it wants an end: the call saves and returns, and the script
 * would go on with its next run. So the next is refused, and the script ends with the status of what a signal has stopped.
 */
import { DiagnosticError } from '../ir/diagnostic.js';
import { jobInterrupted, stoppedBefore } from './diagnostics.js';
import type { ScriptCall } from './messages.js';
import { stoppedStatus } from './signals.js';
import type { TrainResult } from './start_job.js';

/** The call that a signal has stopped, and the run that it has left; null where it left none. */
interface StoppedCall {
  readonly call: ScriptCall;
  readonly folder: string | null;
}

const follows = (error: unknown): boolean =>
  error instanceof DiagnosticError && [stoppedBefore.code, jobInterrupted.code].includes(error.code);

export class ScriptStop {
  #stopped: StoppedCall | null = null;

  /** Runs a call of train() or resume() in its turn. Throws `launch/stopped-before` where a signal has stopped an earlier one. */
  async unlessStopped(call: ScriptCall, work: () => Promise<TrainResult>): Promise<TrainResult> {
    if (this.#stopped !== null)
      throw stoppedBefore({ here: call, stopped: this.#stopped.call, folder: this.#stopped.folder });
    try {
      const result = await work();
      // What the script has stopped itself is no word to it.
      if (result.interrupted && !result.aborted) this.#stop({ call, folder: result.complete ? null : result.folder });
      return result;
    } catch (error) {
      if (follows(error)) this.#stop({ call, folder: null });
      throw error;
    }
  }

  #stop(stopped: StoppedCall): void {
    this.#stopped = stopped;
    process.exitCode ??= stoppedStatus;
    // Where nobody catches what follows from the signal, Node ends the script with 1.
    process.on('uncaughtExceptionMonitor', (error) => {
      if (follows(error)) process.on('exit', () => (process.exitCode = stoppedStatus));
    });
  }
}
