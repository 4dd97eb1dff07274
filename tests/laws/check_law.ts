/** A law as a test: its fixed cases, then fresh ones, other ones in every run. */
import fc from 'fast-check';
import { freshSeed } from '../setup/fresh_seed.js';
import { story, type Law } from './laws.js';

/** Laws of a file of tests: `check(law, cases)` throws the story of a failure. RUNS asks for another number of cases. */
export function freshly(about: string, file: string): (law: Law, cases: number) => void {
  const fresh = freshSeed(about, file);
  return (law, cases) => {
    fc.assert(law.property(), {
      ...fresh,
      examples: law.examples,
      numRuns: law.examples.length + Number(process.env.RUNS ?? cases),
      reporter: (out) => {
        const text = story(law, out, (seed) => `REPLAY=${seed} npx vitest run ${file} -t '${law.name}'`);
        if (text !== null) throw new Error(text, { cause: out.errorInstance });
      },
    });
  };
}
