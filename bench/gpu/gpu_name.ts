/** What nvidia-smi says of the first GPU. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface GpuDescription {
  readonly name: string;
  readonly driver: string;
  /** Mebibytes, as nvidia-smi counts. */
  readonly memoryMebibytes: number;
}

/** Null where there is no nvidia-smi or it sees no GPU. */
export async function describeGpu(): Promise<GpuDescription | null> {
  const query = ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader,nounits'];
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', query);
    const [name, driver, memory] = stdout
      .split('\n')[0]
      .split(',')
      .map((field) => field.trim());
    return { name, driver, memoryMebibytes: Number(memory) };
  } catch {
    return null;
  }
}

export const gpuName = async (): Promise<string | null> => (await describeGpu())?.name ?? null;
