/** Random models × random plans against the laws of `tests/laws`, any number of them. */
import { parseArgs } from 'node:util';
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { laws, story, type Law } from '../laws/laws.js';

const usage =
  'usage: npm run fuzz -- laws [--runs N] [--law NAME] [--seed SEED | SEED:PATH]\n' +
  `laws: ${Object.keys(laws).join(', ')}`;

/** Each law with so many fresh cases, 100 unless told otherwise. Prints the seeds, and each failure as it is found; true where all held. */
export async function fuzzLaws(args: readonly string[]): Promise<boolean> {
  const options = {
    runs: { type: 'string', default: '100' },
    law: { type: 'string' },
    seed: { type: 'string' },
  } as const;
  const { runs, law: only, seed: given } = parseArgs({ args: [...args], options }).values;
  const chosen = Object.entries<Law>(laws).filter(([name]) => only === undefined || name === only);
  const numRuns = Number(runs);
  const [seed, path] = given?.split(/:(.*)/) ?? [String(randomInt(2 ** 31))];
  if (chosen.length === 0 || !(numRuns > 0) || !Number.isSafeInteger(Number(seed))) {
    console.error(usage);
    return false;
  }
  let held = true;
  for (const [name, law] of chosen) {
    const replay = (again: string) => `npm run fuzz -- laws --law ${name} --seed ${again}`;
    const began = performance.now();
    const out = fc.check(law.property(), {
      seed: Number(seed),
      ...(path && { path }),
      examples: law.examples,
      numRuns: law.examples.length + numRuns,
    });
    const failure = story(law, out, replay);
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    console.log(failure ?? `${law.name}: ${out.numRuns} cases hold, seed ${seed} (${seconds} s)`);
    held &&= failure === null;
  }
  return held;
}
