import { DiagnosticError, type DiagnosticText, defineDiagnostic } from '../../ir/diagnostic.js';

const rebuild =
  'run `npm test` or `npm run demo` once (their set-up builds it), or `node scripts/run.mjs setup`; `flotilla doctor` says what is missing';

export const addonNotBuilt = defineDiagnostic('engine/addon-not-built', (p: { path: string }) => ({
  what: 'the native engine is not built',
  where: [{ at: p.path, note: 'expected here' }],
  fix: `${rebuild}; \`--engine reference\` trains a tiny model without it`,
}));

export const addonNotLoaded = defineDiagnostic('engine/addon-not-loaded', (p: { path: string; reason: string }) => ({
  what: 'the native engine cannot be loaded',
  why: p.reason,
  where: [{ at: p.path }],
  fix: `torch has moved or changed since the build: ${rebuild}`,
}));

export const torchNotFound = defineDiagnostic('engine/torch-not-found', (p: { tried: readonly string[] }) => ({
  what: 'no torch found',
  why: 'kernels and collectives are those of libtorch, which comes with the torch package of Python',
  where: p.tried.map((at) => ({ at, note: 'tried' })),
  fix: 'run `npm test` or `npm run demo` once (their set-up installs torch into .venv), or `pip install torch` in an environment that is active or named by FLOTILLA_TORCH; `--engine reference` trains a tiny model without it',
}));

/** What the addon attaches to its errors. */
export interface NativeErrorFields {
  /** The kernel or collective. */
  readonly op: string | null;
  /** The place in the model. */
  readonly at: string | null;
  readonly rank: number | null;
  readonly group: number | null;
}

/** An exception of the C++ side, with the launch that raised it. `code` is one of {@link nativeErrorCodes}. */
export class NativeError extends DiagnosticError {
  readonly op: string | null;
  readonly at: string | null;
  readonly rank: number | null;
  readonly group: number | null;

  constructor(code: string, text: DiagnosticText, fields: NativeErrorFields, options?: ErrorOptions) {
    super(code, text, options);
    this.name = 'NativeError';
    this.op = fields.op;
    this.at = fields.at;
    this.rank = fields.rank;
    this.group = fields.group;
  }
}

/** The kinds of error that native/error.h raises: what happened, and what to do. The exception's own text is the `why`. */
const kinds: Readonly<Record<string, { what: (fields: NativeErrorFields) => string; fix: string }>> = {
  'port-taken': {
    what: () => 'the rendezvous port is taken by another process',
    fix: 'choose another port (--port, or MASTER_PORT), or let the launcher choose one',
  },
  'rendezvous-failed': {
    what: () => 'the ranks could not meet',
    fix: 'check that every rank has started with the same MASTER_ADDR, MASTER_PORT and WORLD_SIZE and can reach that address; GLOO_SOCKET_IFNAME names the network interface to use',
  },
  'store-timeout': {
    what: () => 'another rank did not report in time',
    fix: 'look for an earlier error of that rank, or raise the timeout if it was merely slow',
  },
  'store-failed': {
    what: () => 'the rendezvous store cannot be reached',
    fix: 'look for an earlier error of rank 0, which hosts it',
  },
  'collective-failed': {
    what: (f) => `${f.op ?? 'a collective'} failed${f.group === null ? '' : ` in group ${f.group}`}`,
    fix: 'look for an earlier error of another rank: one that ends closes its connections',
  },
  'kernel-failed': {
    what: (f) => `kernel ${f.op ?? '?'} failed`,
    fix: 'report this with the program that was running (--dump-ir=program)',
  },
  'kernel-unknown': {
    what: (f) => `this build has no kernel '${f.op ?? '?'}'`,
    fix: `the native engine is older than the program, or does not support the device: ${rebuild}`,
  },
  'program-invalid': {
    what: () => 'the executor refuses the program',
    fix: 'report this with the program (--dump-ir=program); the verifier should have found it',
  },
  'program-running': { what: () => 'the engine is still working', fix: 'await the promise of the step before' },
  'out-of-memory': {
    what: () => 'there is no memory for the arena',
    fix: 'choose a plan that takes less memory (flotilla explain shows where it goes), or a smaller microbatch',
  },
  'device-unknown': {
    what: () => 'the device cannot be used',
    fix: 'choose one that `flotilla doctor` lists, such as cpu or cuda:0',
  },
  'memory-not-mapped': { what: () => 'device memory has no window on the host', fix: 'use read() and write()' },
  aborted: { what: () => 'the step was aborted', fix: 'look for the first error of the job: this one follows from it' },
  closed: { what: () => 'the engine is closed', fix: 'open another one' },
  'engine-failed': { what: () => 'the native engine failed', fix: 'report this with the output of `flotilla doctor`' },
};

/** Codes of {@link NativeError}, as diagnostics name them. */
export const nativeErrorCodes: readonly string[] = Object.keys(kinds).map((kind) => `engine/${kind}`);

/** An error of the addon as a {@link NativeError}; any other error as it is. */
export function toNativeError(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error;
  const kind = kinds[error.code];
  if (!kind || !('op' in error)) return error;
  const { op, at, rank, group } = error as unknown as NativeErrorFields;
  const where = [
    ...(at ? [{ at, ...(op ? { note: op } : {}) }] : []),
    ...(rank === null ? [] : [{ at: `rank ${rank}` }]),
  ];
  const text = { what: kind.what({ op, at, rank, group }), why: error.message, where, fix: kind.fix };
  return new NativeError(`engine/${error.code}`, text, { op, at, rank, group }, { cause: error });
}
