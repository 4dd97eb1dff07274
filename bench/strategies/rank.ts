/**
 * One rank of a strategy's steps on real processes. Its arguments are the strategy's name, threads and steps; its last line on standard
 * output is a {@link RankMeasure}. FLOTILLA_SENT_COUNTS names the file in which native/preload/count_sent.cpp counts.
 */
import { readFileSync } from 'node:fs';
import { randomBatch, rowsOfBatch } from '../contestant/config.js';
import { openStep } from '../native_step.js';
import { ownPlace } from '../rank_place.js';
import { median } from '../rows.js';
import { strategies, strategyBatch, strategyModel } from './cases.js';
import { exchangesOfTrace, sharesOfTrace, type TracedExchanges } from './measure.js';
import type { Shares } from './account.js';
import { setupOf } from './statement.js';

export interface RankMeasure extends TracedExchanges {
  /** That left the process for others in a step, headers of messages included. */
  readonly socketBytes: number;
  /** Medians over the steps. */
  readonly shares: Shares;
  readonly seconds: number;
  readonly losses: readonly number[];
}

const [name, threads, steps] = process.argv.slice(2);
const strategy = strategies.find((one) => one.name === name)!;
const { rank, meet, part } = ownPlace();
const step = await openStep(setupOf(strategy), { rank, device: 'cpu', threads: Number(threads), meet });
const { vocab, context } = strategyModel;
const rows = rowsOfBatch(randomBatch(vocab, strategyBatch.sequences, context, 1), context);

const losses: number[] = [];
for (let i = 0; i < 2; i++) losses.push((await step.step(i, rows)).loss);
const before = socketBytes();
const traced = [];
for (let i = 0; i < Number(steps); i++) {
  const report = await step.step(2 + i, rows, { trace: true });
  losses.push(report.loss);
  traced.push({ trace: report.trace!.slice(), seconds: report.seconds });
}

const { launches } = step.program;
const shares = traced.map((one) => sharesOfTrace(launches, one));
const measure: RankMeasure = {
  ...exchangesOfTrace(launches, traced[0].trace, rank),
  socketBytes: (socketBytes() - before) / traced.length,
  shares: {
    utilisation: median(shares.map(({ utilisation }) => utilisation)),
    bubble: median(shares.map(({ bubble }) => bubble)),
    exposed: median(shares.map(({ exposed }) => exposed)),
  },
  seconds: median(traced.map(({ seconds }) => seconds)),
  losses,
};
console.log(JSON.stringify(measure));
await part(step.engine.addon);
await step.close();

function socketBytes(): number {
  return Number(readFileSync(process.env.FLOTILLA_SENT_COUNTS!).readBigUInt64LE(8));
}
