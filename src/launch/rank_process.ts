/** What a rank owes its launcher: its error before it ends, and an end when the launcher is gone. */
import { writeErrorFile } from './error_file.js';
import { isEndMessage } from './messages.js';
import { stoppedStatus } from './signals.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import type { RankEnvironment } from './environment.js';

/**
 * Runs a rank's work. An error is written to the error file and to stderr, and ends the process with status 1 at once, also where
 * other threads still work: the launcher then stops the other ranks.
 */
export async function runRank(environment: RankEnvironment, work: () => Promise<void>): Promise<void> {
  if (environment.launcher === 'flotilla') endWithLauncher();
  const fail = (error: unknown) => {
    // A signal to another rank, before there was anything to save.
    if (error instanceof DiagnosticError && error.code === 'launch/interrupted') process.exit(stoppedStatus);
    if (environment.errorFile) writeErrorFile(environment.errorFile, error);
    process.stderr.write(`${error instanceof Error ? (error.message ?? error.stack) : String(error)}\n`);
    process.exit(1);
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  try {
    await work();
  } catch (error) {
    fail(error);
  }
  process.off('uncaughtException', fail);
  process.off('unhandledRejection', fail);
}

/** Ends this process when our launcher says so, or is gone. Other launchers end their ranks themselves. */
function endWithLauncher(): void {
  if (!process.connected) process.exit(1);
  process.on('disconnect', () => process.exit(1));
  process.on('message', (message) => isEndMessage(message) && process.exit(1));
  process.channel?.unref();
}
