/** Whether what happens every so many steps is due within a run of `runSteps` (null: not known yet); at its end it happens in any case. */
export const isDueWithin = (every: number | null, done: number, runSteps: number | null): boolean =>
  every !== null && done % every === 0 && done !== runSteps;
