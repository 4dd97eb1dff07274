/** Runs cases of `language_models.py`, which says what they hold. */
import { execFileSync } from 'node:child_process';
import { locateTorch } from '../../src/engine/native/locate.js';

export interface PyTorchCase {
  readonly model: 'gpt' | 'llama' | 'mixtral';
  readonly options: object;
  readonly dtype: 'float32' | 'float64';
  readonly autocast?: boolean;
  readonly microbatches: number;
  readonly parameters: Readonly<
    Record<string, { readonly shape: readonly number[]; readonly values: readonly number[] }>
  >;
  readonly batches: readonly {
    readonly tokens: readonly (readonly number[])[];
    readonly labels: readonly (readonly number[])[];
  }[];
  readonly optimizer: {
    readonly lr: readonly number[];
    readonly betas: readonly [number, number];
    readonly eps: number;
    readonly weight_decay: number;
    readonly clip: number | null;
  };
}

export interface PyTorchResult {
  readonly loss_sum: number;
  readonly tokens: number;
  readonly gradients: Readonly<Record<string, readonly number[]>>;
  readonly losses: readonly number[];
  readonly gradient_norms: readonly number[];
  readonly parameters: Readonly<Record<string, readonly number[]>>;
}

export async function runPyTorch(cases: readonly PyTorchCase[]): Promise<readonly PyTorchResult[]> {
  const python = (await locateTorch()).found?.python ?? 'python3';
  const script = new URL('language_models.py', import.meta.url).pathname;
  const answer = execFileSync(python, [script], { input: JSON.stringify(cases), maxBuffer: 1 << 30 });
  return JSON.parse(answer.toString()) as readonly PyTorchResult[];
}
