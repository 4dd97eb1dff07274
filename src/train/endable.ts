/** Signals that ask a process to stop, as the kernel names them: a person's, a scheduler's, a terminal's. */
export const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'] as const;

/**
 * Does long work that gives the event loop no turn and has nothing to lose: a signal meanwhile ends this process at once, as the system
 * does where nobody listens. A listener would hear it only when the work is done.
 */
export function endable<T>(work: () => T): T {
  const listeners = stopSignals.map((signal) => [signal, process.listeners(signal)] as const);
  for (const [signal] of listeners) process.removeAllListeners(signal);
  try {
    return work();
  } finally {
    for (const [signal, before] of listeners) for (const listener of before) process.on(signal, listener);
  }
}
