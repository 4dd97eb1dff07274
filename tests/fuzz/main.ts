/**
 * `npm run fuzz -- NAME`: what is tried at random on real processes, longer than `npm test` may take.
 *
 *   stop    interrupts: every signal, to every process that may get it, at any moment
 */
import { fuzzStops } from './stop.js';

const [name, ...args] = process.argv.slice(2);
const campaigns: Readonly<Record<string, (args: readonly string[]) => Promise<boolean>>> = { stop: fuzzStops };

if (!Object.hasOwn(campaigns, name ?? '')) {
  console.error(`usage: npm run fuzz -- ${Object.keys(campaigns).join(' | ')}`);
  process.exit(2);
}
process.exitCode = (await campaigns[name](args)) ? 0 : 1;
