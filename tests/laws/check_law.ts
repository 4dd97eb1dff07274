/** A law as a test: its fixed cases, then fresh ones, other ones in every run. */
import { freshSeed } from '../setup/fresh_seed.js';
import { laws, type Law } from './laws.js';
import { search, story } from './search.js';

/** Laws of a file of tests: `check(law, cases)` throws the story of a failure. RUNS asks for another number of cases. */
export function freshly(about: string, file: string): (law: Law, cases: number) => void {
  const { seed } = freshSeed(about, file);
  return (law, cases) => {
    const found = search(law, { seed, runs: Number(process.env.RUNS ?? cases) });
    if (found) throw new Error(story(law.name, found, replayOf(law)));
  };
}

/** The command that plays a case of a law again. */
export const replayOf = (law: Law): string =>
  `npm run fuzz -- laws --law ${Object.entries<Law>(laws).find(([, one]) => one === law)![0]}`;
