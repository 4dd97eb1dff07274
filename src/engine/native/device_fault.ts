/** Whether ranks can compute on a device of this machine, and which it is. */
import type { DiagnosticError } from '../../ir/diagnostic.js';
import type { DeviceType } from '../../kernels/device.js';
import type { NativeDescription } from './bridge.js';
import { noGpu, noNccl, tooFewGpus, torchWithoutCuda } from './diagnostics.js';

/** `auto`: the GPUs where there are any. */
export type DeviceChoice = 'auto' | DeviceType;

/** Ranks of a job, and those of them on this machine. */
export interface DeviceUsers {
  readonly ranks: number;
  readonly localRanks: number;
}

export function chosenDevice(choice: DeviceChoice, { gpus }: Pick<NativeDescription, 'gpus'>): DeviceType {
  if (choice !== 'auto') return choice;
  return gpus > 0 ? 'cuda' : 'cpu';
}

/**
 * What keeps the ranks from the device: `engine/torch-without-cuda`, `engine/no-gpu`, `engine/too-few-gpus`, `engine/no-nccl`; null where
 * nothing does. `visible`: CUDA_VISIBLE_DEVICES, null where it is not set.
 */
export function deviceFault(
  choice: DeviceChoice,
  { torch, torchPath, torchCuda, gpus, backends, ncclLacks }: NativeDescription,
  { ranks, localRanks }: DeviceUsers,
  visible: string | null = process.env.CUDA_VISIBLE_DEVICES ?? null,
): DiagnosticError | null {
  if (chosenDevice(choice, { gpus }) === 'cpu') return null;
  if (torchCuda === null) return torchWithoutCuda({ torch, torchPath });
  if (gpus === 0) return noGpu({ torch, torchCuda, visible });
  if (gpus < localRanks) return tooFewGpus({ localRanks, gpus, visible });
  if (ranks > 1 && !backends.includes('nccl')) return noNccl({ ranks, torchPath, torchCuda, lacks: ncclLacks });
  return null;
}
