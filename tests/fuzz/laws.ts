/** Random models × random plans against the laws of `tests/laws`, any number of them. */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { randomInt } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { parseCase } from '../laws/case_text.js';
import { laws } from '../laws/laws.js';
import type { LawJob, LawOutcome } from './law_worker.js';
import { lacking, tallyText } from './tally.js';

const usage =
  'usage: npm run fuzz -- laws [--law NAME] [--runs N] [--jobs N] [--seed SEED] [--case CASE]\n' +
  `laws: ${Object.keys(laws).join(', ')}`;

/**
 * Each law with so many fresh cases, 100 unless told otherwise, dealt to so many threads, two unless told otherwise; or with one case alone.
 * Prints the seeds, what was drawn of all axes, and each failure; true where all held.
 */
export async function fuzzLaws(args: readonly string[]): Promise<boolean> {
  const options = {
    runs: { type: 'string', default: '100' },
    jobs: { type: 'string', default: '2' },
    law: { type: 'string' },
    seed: { type: 'string' },
    case: { type: 'string' },
  } as const;
  const given = parseArgs({ args: [...args], options }).values;
  const names = (Object.keys(laws) as (keyof typeof laws)[]).filter((name) => (given.law ?? name) === name);
  const [runs, jobs, seed] = [Number(given.runs), Number(given.jobs), Number(given.seed ?? randomInt(2 ** 31))];
  if (names.length === 0 || !(runs > 0) || !(jobs > 0) || !Number.isSafeInteger(seed)) {
    console.error(usage);
    return false;
  }
  let held = true;
  for (const law of names) held = (await fuzzLaw(law, { runs, jobs, seed, text: given.case ?? null })) && held;
  return held;
}

interface Asked {
  readonly runs: number;
  readonly jobs: number;
  readonly seed: number;
  /** The only case. */
  readonly text: string | null;
}

async function fuzzLaw(law: keyof typeof laws, { runs, jobs, seed, text }: Asked): Promise<boolean> {
  const began = performance.now();
  if (text !== null) parseCase(text);
  const outcomes = await Promise.all(
    Array.from({ length: text === null ? jobs : 1 }, (_, i) =>
      onThread({ law, seed: seed + i, runs: text === null ? Math.ceil(runs / jobs) : 0, first: text }),
    ),
  );
  const failures = outcomes.flatMap(({ failure }) => (failure === null ? [] : [failure]));
  const cases = outcomes.flatMap(({ held }) => held);
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  for (const failure of failures) console.log(failure);
  const again = `again with --seed ${seed}${jobs === 2 ? '' : ` --jobs ${jobs}`}`;
  console.log(
    `${laws[law].name}: ${cases.length} cases hold, ${text === null ? again : 'the one given'} (${seconds} s)`,
  );
  if (law !== 'axes' || text !== null || failures.length > 0) return failures.length === 0;
  console.log(tallyText(cases));
  // A few cases need not meet all.
  const missing = runs >= 500 ? lacking(cases) : [];
  for (const one of missing) console.log(`  not drawn: ${one}`);
  return missing.length === 0;
}

/** Most of what a case allocates is gone with it: with room for it a thread collects garbage half as often. */
async function onThread(job: LawJob): Promise<LawOutcome> {
  const worker = new Worker(new URL('./law_worker.js', import.meta.url), {
    workerData: job,
    resourceLimits: { maxYoungGenerationSizeMb: 256 },
  });
  const [outcome] = (await once(worker, 'message')) as [LawOutcome];
  await worker.terminate();
  return outcome;
}
