/** Where the time of a step goes: launches of equal kernels and shapes, added up from the executor's trace. */
import type { NativeLaunch, LoadedView } from '../../src/engine/native/loaded_program.js';
import { rowMajor } from '../../src/ir/strides.js';
import type { Rows } from '../../src/train/step_inputs.js';
import type { NativeStep } from '../native_step.js';

export interface ProfileRow {
  readonly launch: string;
  readonly count: number;
  /** Of one step: the sum of each launch's shortest time. */
  readonly seconds: number;
}

/** Traces `steps` steps from `first` on. Each launch counts with its shortest time, which a busy machine disturbs least. */
export async function profileOf(
  step: NativeStep,
  batch: Rows,
  steps: number,
  first: number,
): Promise<readonly ProfileRow[]> {
  const { launches } = step.program.launches;
  const shortest = new Float64Array(launches.length).fill(Infinity);
  for (let i = 0; i < steps; i++) {
    const { trace } = await step.step(first + i, batch, { trace: true });
    launches.forEach((_, k) => (shortest[k] = Math.min(shortest[k], trace![3 * k + 1] - trace![3 * k])));
  }
  const rows = new Map<string, ProfileRow>();
  launches.forEach((launch, k) => {
    const name = describe(launch);
    const { count, seconds } = rows.get(name) ?? { count: 0, seconds: 0 };
    rows.set(name, { launch: name, count: count + 1, seconds: seconds + shortest[k] });
  });
  return [...rows.values()].sort((a, b) => b.seconds - a.seconds);
}

export function printTable(rows: readonly ProfileRow[], print: (line: string) => void = console.error): void {
  const total = rows.reduce((sum, { seconds }) => sum + seconds, 0);
  print(`${(1e3 * total).toFixed(1)} ms in ${rows.reduce((n, { count }) => n + count, 0)} launches`);
  for (const { launch, count, seconds } of rows.filter((row) => row.seconds >= total / 2000)) {
    const share = `${((100 * seconds) / total).toFixed(1)}%`;
    print(`${(1e3 * seconds).toFixed(2).padStart(9)} ms ${share.padStart(6)} ${String(count).padStart(4)} × ${launch}`);
  }
}

function describe(launch: NativeLaunch): string {
  switch (launch.kind) {
    case 'kernel':
      return `${launch.kernel} ${launch.operands.map(block).join(' ')}`;
    case 'collective':
      return `${launch.collective} ${block(launch.input)}`;
    case 'copy':
      return `copy ${block(launch.from)} ${block(launch.to)}`;
    case 'send':
    case 'recv':
      return `${launch.kind} ${block(launch.view)}`;
    default:
      return launch.kind;
  }
}

/** `bf16[2048 384]`, with strides where it is not contiguous. */
function block({ dtype, sizes, strides }: LoadedView): string {
  const expected = rowMajor(sizes);
  const contiguous = sizes.every((size, i) => size === 1 || strides[i] === expected[i]);
  return `${dtype}[${sizes.join(' ')}]${contiguous ? '' : `(${strides.join(' ')})`}`;
}
