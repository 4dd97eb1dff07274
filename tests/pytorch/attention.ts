/** Runs `attention.py`, which says what a case holds. */
import { execFileSync } from 'node:child_process';
import { locateTorch } from '../../src/engine/native/locate.js';

export interface Numbers {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

export interface AttentionCase {
  readonly causal: boolean;
  readonly window: number;
  /** Optional operands of the op. */
  readonly given: readonly string[];
}

export type AttentionResult = Readonly<Record<string, readonly number[]>>;

export async function runAttention(
  given: Readonly<Record<string, Numbers>>,
  cases: readonly AttentionCase[],
): Promise<readonly AttentionResult[]> {
  const python = (await locateTorch()).found?.python ?? 'python3';
  const script = new URL('attention.py', import.meta.url).pathname;
  const answer = execFileSync(python, [script], { input: JSON.stringify({ ...given, cases }), maxBuffer: 1 << 30 });
  return JSON.parse(answer.toString()) as readonly AttentionResult[];
}
