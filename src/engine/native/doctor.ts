/** What the native engine finds and misses on this machine: the data behind `flotilla doctor`. */
import { existsSync } from 'node:fs';
import type * as Machine from '../../../scripts/setup/machine.mjs';
import type { Finding } from '../../../scripts/setup/machine.mjs';
import { addonPath, loadAddon, type NativeDescription } from './bridge.js';
import { deviceFault } from './device_fault.js';
import { setupModule } from './locate.js';
import { waitingText } from './waiting.js';

export type { Finding } from '../../../scripts/setup/machine.mjs';

/**
 * Looks at everything and changes nothing: what set-up needs, which it says itself before anything is built, and what the built engine
 * tells. Takes about a second, most of it loading libtorch.
 */
export async function examine(): Promise<readonly Finding[]> {
  const { examineMachine } = await setupModule<typeof Machine>('machine.mjs');
  return [...(await examineMachine()), ...examineAddon()];
}

/** Findings as `flotilla doctor` prints them. */
export async function findingsText(findings: readonly Finding[]): Promise<string> {
  const { findingsText } = await setupModule<typeof Machine>('machine.mjs');
  return findingsText(findings);
}

function examineAddon(): readonly Finding[] {
  if (!existsSync(addonPath())) return [];
  try {
    return describeEngine(loadAddon().describe());
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return [{ what: 'native engine', status: 'problem', detail, fix: '`npx flotilla setup` builds it anew' }];
  }
}

function describeEngine(engine: NativeDescription): readonly Finding[] {
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
