/**
 * `npm run mutants`: does the program verifier bite?
 *
 *   --count N     mutants that may be wrong (default 1300; four in five are)
 *   --legal N     legal changes (default a quarter as many)
 *   --placed N    mutants of the placed graphs that programs are proved equal to (default half as many)
 *   --seed N      the same seed gives the same mutants (default 1)
 *   --only KINDS  some kinds of mutation: swap_op,wrong_mesh
 *   --json FILE   writes the summary
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runCampaign } from './mutants/campaign.js';
import { runPlacedCampaign } from './mutants/placed/campaign.js';
import { summarize, tableLines } from './mutants/report.js';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1300' },
    legal: { type: 'string' },
    placed: { type: 'string' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
});
const count = Number(values.count);
const seed = Number(values.seed);
const only = values.only?.split(',');
const ofPrograms = runCampaign({
  count,
  legal: values.legal === undefined ? undefined : Number(values.legal),
  seed,
  only,
  print: console.log,
});
const ofGraphs = runPlacedCampaign({ count: Number(values.placed ?? Math.ceil(count / 2)), seed, only });
const report = {
  ...ofPrograms,
  kinds: [...ofPrograms.kinds, ...ofGraphs.kinds],
  notes: [...ofPrograms.notes, ...ofGraphs.notes],
  seconds: ofPrograms.seconds + ofGraphs.seconds,
};
for (const line of tableLines(report)) console.log(line);
const summary = summarize(report);
console.log(
  `\n${summary.wrong} wrong mutants of ${summary.kinds} kinds, ${summary.false_accepts} accepted; ` +
    `${summary.legal_accepted} of ${summary.legal} legal changes accepted; ` +
    `${summary.harmless_rejected} of ${summary.harmless} harmless mutants rejected (${summary.seconds.toFixed(0)} s)`,
);
if (values.json) writeFileSync(values.json, `${JSON.stringify(summary, null, 2)}\n`);
process.exitCode = summary.false_accepts === 0 && summary.legal_accepted === summary.legal ? 0 : 1;
