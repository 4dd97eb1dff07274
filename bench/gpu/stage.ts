/**
 * What the programs of this folder have in common. Each is one stage of `scripts/gpu.sh`: it is told the device and how many seconds it
 * has, prints one JSON object a line on standard output as soon as each result is known, and ends with status 0 where it passed.
 */
import os from 'node:os';
import { parseArgs } from 'node:util';
import type { DeviceType } from '../../src/kernels/device.js';

/** One line. With `passed`, a check; without, a figure. */
export interface StageResult {
  readonly name: string;
  readonly passed?: boolean;
  readonly [detail: string]: unknown;
}

export interface Stage {
  readonly deviceType: DeviceType;
  /** `cpu`, `cuda:0`. */
  readonly device: string;
  readonly threads: number;
  secondsLeft(): number;
  report(result: StageResult): void;
}

/** Runs a stage on this process's arguments. An error is a check that has not passed. */
export async function runStage(
  name: string,
  body: (stage: Stage) => Promise<void>,
  args: readonly string[] = process.argv.slice(2),
  print: (line: string) => void = console.log,
): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { device: { type: 'string', default: 'cuda' }, seconds: { type: 'string', default: 'Infinity' } },
  });
  if (values.device !== 'cpu' && values.device !== 'cuda')
    throw new RangeError(`--device ${values.device}: cuda or cpu is needed`);
  const deviceType: DeviceType = values.device;
  const end = performance.now() / 1000 + Number(values.seconds);
  const report = (result: StageResult): void => {
    if (result.passed === false) process.exitCode = 1;
    print(JSON.stringify({ ...result, name: `${name}/${result.name}` }));
  };
  try {
    await body({
      deviceType,
      device: deviceType === 'cpu' ? 'cpu' : 'cuda:0',
      threads: os.availableParallelism(),
      secondsLeft: () => end - performance.now() / 1000,
      report,
    });
  } catch (error) {
    console.error(error);
    report({ name: 'ended early', passed: false, error: error instanceof Error ? error.message : String(error) });
  }
}
