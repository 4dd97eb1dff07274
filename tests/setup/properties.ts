/**
 * Property tests draw the same cases in every run of `npm test`: a failure is a change's and not a day's. `RUNS=5000 npx vitest run FILE`
 * draws others, and more; the seed and path that a failure prints repeat it. A law that draws other cases in every run says so
 * (`fresh_seed.ts`).
 */
import fc from 'fast-check';

if (!process.env.RUNS) fc.configureGlobal({ seed: 1 });
