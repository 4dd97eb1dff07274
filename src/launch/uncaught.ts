/**
 * A diagnostic that nobody catches in a script: its message is printed, and the process ends as it would. By itself Node prints the line of
 * ours that raised it, and the calls that led there, which say nothing to whoever reads that a field is misspelt.
 */
import { isMainThread } from 'node:worker_threads';
import { isDiagnostic } from '../config/is_diagnostic.js';
import { isVerbose } from '../ir/diagnostic.js';

let installed = false;

/** From now on, in this process. A program that looks after uncaught errors itself is left to it, and so is FLOTILLA_VERBOSE. */
export function printUncaughtDiagnostics(): void {
  if (installed || !isMainThread) return;
  installed = true;
  process.on('uncaughtExceptionMonitor', function print(error, origin) {
    const isElsewhere = process.listenerCount('uncaughtException') > 0 || process.hasUncaughtExceptionCaptureCallback();
    if (!isDiagnostic(error) || isVerbose() || isElsewhere) return;
    process.stderr.write(`${error.message}\n`);
    // Nothing behind this listener is told any more, but for listeners of 'exit'.
    const monitors = process.listeners('uncaughtExceptionMonitor');
    for (const monitor of monitors.slice(monitors.indexOf(print) + 1)) monitor(error, origin);
    process.exit(1);
  });
}
