/** The device that a configuration comes to on this machine. */
import { loadAddon } from '../engine/native/bridge.js';
import { deviceFault, type DeviceUsers } from '../engine/native/device_fault.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { deviceTypeOf } from '../kernels/device.js';
import type { Target } from '../kernels/target.js';
import type { TrainConfig } from '../config/schema.js';

type Chooser = Pick<TrainConfig, 'engine' | 'device'>;

/**
 * Throws what keeps the ranks from the device that they are to compute on: `engine/torch-without-cuda`, `engine/no-gpu`,
 * `engine/too-few-gpus`, `engine/no-nccl`. `auto` takes the CPU where there is no GPU; where there is one, it must do for all ranks.
 */
export function requireDevice({ engine, device }: Chooser, users: DeviceUsers): void {
  if (engine === 'reference' || device === 'cpu') return;
  const fault = deviceFault(device, loadAddon().describe(), users);
  if (fault) throw fault;
}

/** `cpu`, or the GPU of this rank. */
export function deviceOf({ device }: Chooser, localRank: number): string {
  if (device === 'cpu' || (device === 'auto' && gpusHere() === 0)) return 'cpu';
  return `cuda:${localRank}`;
}

/** What a configuration's programs are compiled for. */
export const targetOf = (config: Chooser): Target =>
  config.engine === 'reference' ? 'reference' : deviceTypeOf(deviceOf(config, 0));

/** Ranks where nothing else says how many: one a GPU, two on a machine without. */
export function usualRanks({ engine, device }: Chooser): number {
  const gpus = engine === 'reference' || device === 'cpu' ? 0 : gpusHere();
  return gpus > 0 ? gpus : 2;
}

/** GPUs that can be used. None where the native engine is not built: a plan can be explained without it. */
function gpusHere(): number {
  try {
    return loadAddon().describe().gpus;
  } catch (error) {
    if (error instanceof DiagnosticError) return 0;
    throw error;
  }
}
