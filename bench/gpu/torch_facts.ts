/** What torch says of itself and of the first GPU, by its own Python. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { locateTorch } from '../../src/engine/native/locate.js';

export interface TorchFacts {
  readonly python: string;
  readonly torch: string;
  /** CUDA version that it was built for. */
  readonly cuda: string | null;
  readonly nccl: string | null;
  readonly cudnn: number | null;
  readonly gpu: {
    readonly name: string;
    readonly capability: string;
    readonly multiprocessors: number;
    readonly bytes: number;
  } | null;
}

const script = `
import json, platform, torch
there = torch.cuda.is_available()
def asked(what):
    try:
        return what()
    except Exception:
        return None
def gpu():
    p = torch.cuda.get_device_properties(0)
    return {"name": p.name, "capability": f"{p.major}.{p.minor}", "multiprocessors": p.multi_processor_count, "bytes": p.total_memory}
print(json.dumps({
    "python": platform.python_version(),
    "torch": torch.__version__,
    "cuda": torch.version.cuda,
    "nccl": asked(lambda: ".".join(map(str, torch.cuda.nccl.version()))),
    "cudnn": asked(torch.backends.cudnn.version),
    "gpu": gpu() if there else None,
}))`;

export async function torchFacts(): Promise<TorchFacts> {
  const python = (await locateTorch()).found?.python ?? 'python3';
  const { stdout } = await promisify(execFile)(python, ['-c', script], { timeout: 120_000 });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as TorchFacts;
}
