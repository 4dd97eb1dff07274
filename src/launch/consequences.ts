/** Errors that follow from another process's: the cause is looked for elsewhere first. */
export const consequences: readonly string[] = [
  'engine/collective-failed',
  'engine/aborted',
  'engine/store-failed',
  'engine/store-timeout',
  'engine/rendezvous-failed',
  'launch/rank-left',
  'launch/interrupted',
];
