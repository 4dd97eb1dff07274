/**
 * `npm run fuzz -- NAME`: what is tried at random, longer than `npm test` may take.
 *
 *   stop    interrupts of real processes: every signal, to every process that may get it, at any moment
 *   laws    random models × random plans: parallel equals serial, and what a plan splits is done once
 *   plant   faults put into what is tried: is each found, and made small?
 */
import { fuzzLaws } from './laws.js';
import { fuzzPlants } from './plants.js';
import { fuzzStops } from './stop.js';

const [name, ...args] = process.argv.slice(2);
const campaigns: Readonly<Record<string, (args: readonly string[]) => Promise<boolean>>> = {
  stop: fuzzStops,
  laws: fuzzLaws,
  plant: fuzzPlants,
};

if (!Object.hasOwn(campaigns, name ?? '')) {
  console.error(`usage: npm run fuzz -- ${Object.keys(campaigns).join(' | ')}`);
  process.exit(2);
}
process.exitCode = (await campaigns[name](args)) ? 0 : 1;
