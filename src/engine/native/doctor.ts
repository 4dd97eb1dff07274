/** What the native engine finds and misses on this machine: the data behind `flotilla doctor`. */
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cores } from './cores.js';
import { addonPath, loadAddon, type NativeDescription } from './bridge.js';
import { deviceFault } from './device_fault.js';
import { locateTorch, setupModule, type TorchAttempt } from './locate.js';
import { packageRoot } from './package_root.js';
import { waitingText } from './waiting.js';

export interface Finding {
  readonly what: string;
  /** `problem`: something does not work without it. `note`: worth knowing. */
  readonly status: 'ok' | 'problem' | 'note';
  readonly detail: string;
  /** What to do; null where nothing needs doing. */
  readonly fix: string | null;
}

/** Looks at everything and changes nothing. Takes about a second, most of it loading libtorch. */
export async function examine(): Promise<Finding[]> {
  const torch = await locateTorch();
  return [
    examineNode(),
    await examinePackages(),
    await examineTool(
      'python',
      'python3',
      'install Python 3.11 with its venv module (Debian: apt install python3 python3-venv)',
    ),
    ...torch.attempts.map(examineAttempt),
    ...(torch.found ? [] : [noTorch()]),
    await examineTool('c++ compiler', process.env.CXX ?? 'c++', 'install g++ 11 or newer (Debian: apt install g++)'),
    await examineTool('cmake', 'cmake', 'install CMake 3.18 or newer (Debian: apt install cmake)'),
    ...(await examineAddon(torch.found)),
  ];
}

function examineNode(): Finding {
  const memory = `${cores()} cores, ${(os.totalmem() / 2 ** 30).toFixed(1)} GiB`;
  return {
    what: 'node',
    status: 'ok',
    detail: `${process.versions.node} on ${os.type()} ${os.arch()}, ${memory}`,
    fix: null,
  };
}

async function examinePackages(): Promise<Finding> {
  const { npmPackagesReady } = await setupModule<{ npmPackagesReady(): boolean }>('npm_packages.mjs');
  if (npmPackagesReady()) return { what: 'npm packages', status: 'ok', detail: 'as package-lock.json says', fix: null };
  const detail = existsSync(path.join(packageRoot(), 'node_modules'))
    ? 'not installed by the set-up, or another package-lock.json’s'
    : 'missing';
  return { what: 'npm packages', status: 'note', detail, fix: 'node scripts/run.mjs setup' };
}

async function examineTool(what: string, command: string, fix: string): Promise<Finding> {
  const { firstLine } = await setupModule<{ firstLine(command: string, args: string[]): string | null }>('steps.mjs');
  const version = firstLine(command, ['--version']);
  return version
    ? { what, status: 'ok', detail: version, fix: null }
    : { what, status: 'problem', detail: `${command} cannot be run`, fix };
}

function examineAttempt(attempt: TorchAttempt): Finding {
  const place = `${attempt.source}: ${attempt.path ?? 'nothing'}`;
  if (attempt.status === 'found') {
    return {
      what: 'torch',
      status: 'ok',
      detail: `${place}: ${attempt.version}, CUDA ${attempt.cuda ?? 'none'}`,
      fix: null,
    };
  }
  return { what: 'torch', status: 'note', detail: `${place}: ${attempt.detail ?? attempt.status}`, fix: null };
}

function noTorch(): Finding {
  const fix = 'node scripts/run.mjs setup installs one into .venv; FLOTILLA_TORCH names one that is elsewhere';
  return {
    what: 'torch',
    status: 'problem',
    detail: 'none of these can be used; `--engine reference` trains a tiny model without it',
    fix,
  };
}

async function examineAddon(torch: TorchAttempt | null): Promise<Finding[]> {
  const rebuild = 'node scripts/run.mjs setup';
  if (!existsSync(addonPath()))
    return [{ what: 'native engine', status: 'problem', detail: `${addonPath()} is not built`, fix: rebuild }];
  const { nativeReady } = await setupModule<{ nativeReady(torch: TorchAttempt): boolean }>('native_build.mjs');
  const current = torch !== null && nativeReady(torch);
  const built: Finding = current
    ? {
        what: 'native engine',
        status: 'ok',
        detail: `${addonPath()}, built from these sources for this torch`,
        fix: null,
      }
    : {
        what: 'native engine',
        status: 'note',
        detail: 'built from other sources, for another torch or by another compiler',
        fix: rebuild,
      };
  try {
    return [built, ...describeEngine(loadAddon().describe())];
  } catch (error) {
    return [
      built,
      {
        what: 'native engine',
        status: 'problem',
        detail: error instanceof Error ? error.message : String(error),
        fix: rebuild,
      },
    ];
  }
}

function describeEngine(engine: NativeDescription): Finding[] {
  const features = engine.cpu.join(' ') || 'none that kernels ask for';
  return [
    {
      what: 'libtorch',
      status: 'ok',
      detail: `${engine.torch}, CUDA ${engine.torchCuda ?? 'none'}, ${engine.threads} threads; they wait by ${waitingText()}`,
      fix: null,
    },
    examineGpu(engine),
    { what: 'processor', status: 'ok', detail: features, fix: null },
    { what: 'backends', status: 'ok', detail: engine.backends.join(' '), fix: null },
    { what: 'kernels', status: 'ok', detail: engine.kernels.join(' '), fix: null },
  ];
}

/** What the GPUs of this machine are good for; a machine without any is fit for the CPU. */
export function examineGpu(
  engine: NativeDescription,
  visible: string | null = process.env.CUDA_VISIBLE_DEVICES ?? null,
): Finding {
  const fault = deviceFault('cuda', engine, { ranks: Math.max(1, engine.gpus), localRanks: engine.gpus }, visible);
  if (fault) return { what: 'gpu', status: 'note', detail: fault.diagnostic.what, fix: fault.diagnostic.fix };
  const detail = `${engine.gpus} that torch sees, CUDA ${engine.torchCuda}, backends ${engine.backends.join(' ')}`;
  return { what: 'gpu', status: 'ok', detail, fix: null };
}
