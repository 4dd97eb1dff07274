/** A stage: compiles the addon against the torch that is there, and loads it. Options that other stages take are taken and not used. */
import os from 'node:os';
import path from 'node:path';
import { addonPath, loadAddon } from '../../src/engine/native/bridge.js';
import { locateTorch, setupModule, type TorchAttempt } from '../../src/engine/native/locate.js';

interface NativeBuild {
  buildNative(torch: TorchAttempt, options: { visible: boolean }): Promise<'there' | 'cache' | 'built'>;
  configured(folder: string, variable: string): string | null;
}

const { found: torch, attempts } = await locateTorch();
print({ torch, ...(torch ? {} : { attempts }) });
if (!torch) {
  console.error('no torch was found: name one in FLOTILLA_TORCH');
  process.exit(1);
}
const { buildNative, configured } = await setupModule<NativeBuild>('native_build.mjs');
const start = performance.now();
const came = await buildNative(torch, { visible: true });
const seconds = Math.round(performance.now() - start) / 1000;
const generator = configured(path.dirname(addonPath()), 'CMAKE_GENERATOR');
const how = {
  there: 'was there',
  cache: 'from the user’s cache',
  built: `${seconds.toFixed(0)} s with ${generator}, ${os.availableParallelism()} cores`,
}[came];
print({ built: came === 'built', seconds, generator, cores: os.availableParallelism() });
print({ addon: loadAddon().describe(), headline: `torch ${torch.version}; ${how}` });
// Threads of torch's libraries outlive the work.
process.exit(0);

function print(record: object): void {
  process.stdout.write(`${JSON.stringify(record)}\n`);
}
