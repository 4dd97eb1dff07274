/**
 * `npm run mutants`: does the program verifier bite?
 *
 *   --count N     mutants that may be wrong (default 1300; four in five are)
 *   --legal N     legal changes (default a quarter as many)
 *   --seed N      the same seed gives the same mutants (default 1)
 *   --only KINDS  some kinds of mutation: swap_op,wrong_mesh
 *   --json FILE   writes the summary
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runCampaign } from './mutants/campaign.js';
import { summarize, tableLines } from './mutants/report.js';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1300' },
    legal: { type: 'string' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
});
const report = runCampaign({
  count: Number(values.count),
  legal: values.legal === undefined ? undefined : Number(values.legal),
  seed: Number(values.seed),
  only: values.only?.split(','),
  print: console.log,
});
for (const line of tableLines(report)) console.log(line);
const summary = summarize(report);
console.log(
  `\n${summary.wrong} wrong mutants of ${summary.kinds} kinds, ${summary.false_accepts} accepted; ` +
    `${summary.legal_accepted} of ${summary.legal} legal changes accepted; ` +
    `${summary.harmless_rejected} of ${summary.harmless} harmless mutants rejected (${summary.seconds.toFixed(0)} s)`,
);
if (values.json) writeFileSync(values.json, `${JSON.stringify(summary, null, 2)}\n`);
process.exitCode = summary.false_accepts === 0 && summary.legal_accepted === summary.legal ? 0 : 1;
