import { DiagnosticError, type DiagnosticFactory, type DiagnosticText, type Place } from '../../ir/diagnostic.js';
import { defineDiagnostic } from '../../ir/diagnostic.js';
import { closed } from '../diagnostics.js';

export const addonNotBuilt = defineDiagnostic('engine/addon-not-built', (p: { path: string }) => ({
  what: 'the native engine is not built',
  where: [{ at: p.path, note: 'expected here' }],
  fix: 'run `npx flotilla setup`, which builds it; `flotilla doctor` says what is missing; `--engine reference` trains a tiny model without it',
}));

export const addonNotLoaded = defineDiagnostic('engine/addon-not-loaded', (p: { path: string; reason: string }) => ({
  what: 'the native engine cannot be loaded',
  why: p.reason,
  where: [{ at: p.path }],
  fix: 'torch has moved or changed since the build: run `npx flotilla setup`, which builds it anew',
}));

export const kernelElsewhere = defineDiagnostic(
  'engine/kernel-elsewhere',
  (p: { op: string; kernel: string; device: string }) => ({
    what: `the program runs ${p.op} by '${p.kernel}', which is no kernel of ${p.device} for its operands`,
    why: 'kernels are chosen when a program is made, for one type of device; loading it chooses none',
    where: [{ at: p.op }],
    fix: 'compile the program for the device that it is to run on (`target`)',
  }),
);

export const torchNotFound = defineDiagnostic('engine/torch-not-found', (p: { tried: readonly string[] }) => ({
  what: 'no torch found',
  why: 'kernels and collectives are those of libtorch, which comes with the torch package of Python',
  where: p.tried.map((at) => ({ at, note: 'tried' })),
  fix: 'run `npx flotilla setup`, which installs torch into .venv, or `pip install torch` in an environment that is active or that FLOTILLA_TORCH names; `--engine reference` trains a tiny model without it',
}));

export const torchWithoutCuda = defineDiagnostic(
  'engine/torch-without-cuda',
  (p: { torch: string; torchPath: string }) => ({
    what: `no GPU can be used: torch ${p.torch} is a CPU build`,
    why: 'the native engine computes on GPUs by the CUDA libraries of the torch that it is built with',
    where: [{ at: p.torchPath, note: `torch ${p.torch}, without CUDA` }],
    fix: 'install a torch with CUDA (`pip install torch` on Linux gives one, in an environment that has none), name its environment in FLOTILLA_TORCH and run `npx flotilla setup`, which builds the engine for it; or choose `--device cpu`',
  }),
);

export const noGpu = defineDiagnostic(
  'engine/no-gpu',
  (p: { torch: string; torchCuda: string; visible: string | null }) => ({
    what: 'torch sees no GPU on this machine',
    why:
      p.visible === null
        ? `torch ${p.torch} is built for CUDA ${p.torchCuda}, and the driver shows it none`
        : `CUDA_VISIBLE_DEVICES is '${p.visible}': torch sees only the GPUs that it names`,
    fix:
      p.visible === null
        ? `see by \`nvidia-smi\` whether there is a GPU and its driver is new enough for CUDA ${p.torchCuda}; or choose \`--device cpu\``
        : 'unset CUDA_VISIBLE_DEVICES, or let it name GPUs that `nvidia-smi` lists; or choose `--device cpu`',
  }),
);

export const tooFewGpus = defineDiagnostic(
  'engine/too-few-gpus',
  (p: { localRanks: number; gpus: number; visible: string | null }) => ({
    what: `${p.localRanks} GPUs are asked for on this machine, and torch sees ${p.gpus}`,
    why: 'each rank computes on a GPU of its own, by its place on the machine: cuda:0, cuda:1, …',
    where: p.visible === null ? [] : [{ at: 'CUDA_VISIBLE_DEVICES', note: `'${p.visible}'` }],
    fix: `set ranks to ${p.gpus} with a plan for as many, or leave ranks out; or choose \`--device cpu\``,
  }),
);

export const noNccl = defineDiagnostic(
  'engine/no-nccl',
  (p: { ranks: number; torchPath: string; torchCuda: string; lacks: readonly string[] }) => {
    const major = p.torchCuda.split('.')[0];
    const runtime = Number(major) >= 13 ? 'nvidia-cuda-runtime' : `nvidia-cuda-runtime-cu${major}`;
    return {
      what: `${p.ranks} ranks on GPUs exchange by NCCL, and the native engine is built without it`,
      why: `the build did not find ${p.lacks.join(' and ') || 'NCCL'} in the wheels beside torch`,
      where: [{ at: p.torchPath, note: 'looked for in ../nvidia/*/include' }],
      fix: `install them in that environment (\`pip install nvidia-nccl-cu${major} ${runtime}\`) and run \`npx flotilla setup\`; or set ranks to 1, or choose \`--device cpu\``,
    };
  },
);

/** What the addon tells of an exception: its text, and the launch that raised it. */
export interface NativeFailure {
  readonly reason: string;
  /** The kernel or collective. */
  readonly op: string | null;
  /** The place in the model. */
  readonly at: string | null;
  readonly rank: number | null;
  readonly group: number | null;
}

export const nativePortTaken = defineDiagnostic('engine/port-taken', (p: NativeFailure) => ({
  what: 'the rendezvous port is taken by another process',
  why: p.reason,
  where: placesOf(p),
  fix: 'choose another port (MASTER_PORT), or let the launcher choose one',
}));

export const rendezvousFailed = defineDiagnostic('engine/rendezvous-failed', (p: NativeFailure) => ({
  what: 'the ranks could not meet',
  why: p.reason,
  where: placesOf(p),
  fix: 'check that every rank has started with the same MASTER_ADDR, MASTER_PORT and WORLD_SIZE and can reach that address; GLOO_SOCKET_IFNAME names the network interface to use',
}));

export const storeTimeout = defineDiagnostic('engine/store-timeout', (p: NativeFailure) => ({
  what: 'another rank did not report in time',
  why: p.reason,
  where: placesOf(p),
  fix: 'look for an earlier error of that rank, or raise the timeout if it was merely slow',
}));

export const storeFailed = defineDiagnostic('engine/store-failed', (p: NativeFailure) => ({
  what: 'the rendezvous store cannot be reached',
  why: p.reason,
  where: placesOf(p),
  fix: 'look for an earlier error of rank 0, which hosts it',
}));

export const collectiveFailed = defineDiagnostic('engine/collective-failed', (p: NativeFailure) => ({
  what: `${p.op} failed between ranks`,
  why: p.reason,
  where: placesOf(p),
  fix: 'look for an earlier error of another rank: one that ends closes its connections',
}));

export const kernelFailed = defineDiagnostic('engine/kernel-failed', (p: NativeFailure) => ({
  what: `kernel ${p.op} failed`,
  why: p.reason,
  where: placesOf(p),
  fix: 'report this with the program that was running (--dump-ir=after:lower); on a GPU the fault may be an earlier launch’s, which CUDA_LAUNCH_BLOCKING=1 names',
}));

export const kernelUnknown = defineDiagnostic('engine/kernel-unknown', (p: NativeFailure) => ({
  what: `the native engine has no kernel '${p.op}'`,
  why: p.reason,
  where: placesOf(p),
  fix: 'it is older than the program: run `npx flotilla setup`, which builds it anew',
}));

export const programInvalid = defineDiagnostic('engine/program-invalid', (p: NativeFailure) => ({
  what: 'the executor refuses the program',
  why: p.reason,
  where: placesOf(p),
  fix:
    'run `npx flotilla setup` where `flotilla doctor` says that the engine is built from other sources; else report this with the program ' +
    '(--dump-ir=after:lower): the verifier should have found it',
}));

export const programRunning = defineDiagnostic('engine/program-running', (p: NativeFailure) => ({
  what: 'the engine is still working',
  why: p.reason,
  where: placesOf(p),
  fix: 'await the promise of the step before',
}));

export const outOfMemory = defineDiagnostic('engine/out-of-memory', (p: NativeFailure) => ({
  what: 'there is no memory for the arena',
  why: p.reason,
  where: placesOf(p),
  fix: 'choose a plan that takes less memory (`flotilla explain` shows where it goes), or a smaller microbatch',
}));

export const deviceUnknown = defineDiagnostic('engine/device-unknown', (p: NativeFailure) => ({
  what: 'the device cannot be used',
  why: p.reason,
  where: placesOf(p),
  fix: 'choose one that `flotilla doctor` lists, such as cpu or cuda:0',
}));

export const deviceFailed = defineDiagnostic('engine/device-failed', (p: NativeFailure) => ({
  what: 'the device failed during a step',
  why: p.reason,
  where: placesOf(p),
  fix: 'some launch of the step did it, not necessarily the last: run again with CUDA_LAUNCH_BLOCKING=1, which names it',
}));

export const backendMissing = defineDiagnostic('engine/backend-missing', (p: NativeFailure) => ({
  what: 'the ranks have no way to talk to one another',
  why: p.reason,
  where: placesOf(p),
  fix: 'install torch as a CUDA wheel of PyPI, which brings the headers of NCCL and of the CUDA runtime as wheels of their own, then run `npx flotilla setup`; `flotilla doctor` lists the backends of the build',
}));

export const memoryNotMapped = defineDiagnostic('engine/memory-not-mapped', (p: NativeFailure) => ({
  what: 'device memory has no window on the host',
  why: p.reason,
  where: placesOf(p),
  fix: 'use read() and write()',
}));

export const aborted = defineDiagnostic('engine/aborted', (p: NativeFailure) => ({
  what: 'the step was aborted',
  why: p.reason,
  where: placesOf(p),
  fix: 'look for the first error of the job: this one follows from it',
}));

export const engineFailed = defineDiagnostic('engine/engine-failed', (p: NativeFailure) => ({
  what: 'the native engine failed',
  why: p.reason,
  where: placesOf(p),
  fix: 'report this with the output of `flotilla doctor`',
}));

/** An exception of the C++ side, as the diagnostic that its code names, with the launch that raised it. */
export class NativeError extends DiagnosticError {
  readonly op: string | null;
  readonly at: string | null;
  readonly rank: number | null;
  readonly group: number | null;

  constructor(code: string, text: DiagnosticText, { op, at, rank, group }: NativeFailure, options?: ErrorOptions) {
    super(code, text, options);
    this.name = 'NativeError';
    this.op = op;
    this.at = at;
    this.rank = rank;
    this.group = group;
  }
}

/** By the code that native/error.h gives them: the part of the diagnostic's code behind `engine/`. */
const raised: readonly DiagnosticFactory<NativeFailure>[] = [
  nativePortTaken,
  rendezvousFailed,
  storeTimeout,
  storeFailed,
  collectiveFailed,
  kernelFailed,
  kernelUnknown,
  programInvalid,
  programRunning,
  outOfMemory,
  deviceUnknown,
  deviceFailed,
  backendMissing,
  memoryNotMapped,
  aborted,
  engineFailed,
  closed,
];

/** An error of the addon as a {@link NativeError}; any other error as it is. */
export function toNativeError(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('op' in error)) return error;
  const factory = raised.find(({ code }) => code === `engine/${String(error.code)}`);
  if (!factory) return error;
  const { op, at, rank, group } = error as unknown as Omit<NativeFailure, 'reason'>;
  const failure = { reason: error.message, op, at, rank, group };
  return new NativeError(factory.code, factory(failure).diagnostic, failure, { cause: error });
}

function placesOf({ op, at, rank, group }: NativeFailure): readonly Place[] {
  return [
    ...(at ? [{ at, ...(op ? { note: op } : {}) }] : []),
    ...(rank === null ? [] : [{ at: `rank ${rank}`, ...(group === null ? {} : { note: `group ${group}` }) }]),
  ];
}
