/** docs/strategies.md and its pictures: what the programs of bench/strategies state, and what the bench last measured. */
import { exchanges, type ExchangeKind } from '../../bench/strategies/account.js';
import { strategies, strategyBatch, strategyModel, type Strategy } from '../../bench/strategies/cases.js';
import { clockedSvg } from '../../bench/strategies/picture.js';
import { stateStrategy, type StrategyStatement } from '../../bench/strategies/statement.js';
import type { StrategyRow } from '../../bench/strategies/strategies.js';
import { bytesText } from '../../src/ir/units.js';

export interface StatedStrategy extends Strategy {
  readonly stated: StrategyStatement;
}

export const statedStrategies = (): readonly StatedStrategy[] =>
  strategies.map((strategy) => ({ ...strategy, stated: stateStrategy(strategy) }));

const fileOf = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/-$/, '');

/** File → SVG. */
export const strategyPictures = (all: readonly StatedStrategy[]): ReadonlyMap<string, string> =>
  new Map(all.map(({ name, stated }) => [`${fileOf(name)}.svg`, clockedSvg(stated.clocked, name)]));

/** The page, in Markdown. `measured`: the rows of the bench. */
export function strategyPage(all: readonly StatedStrategy[], measured: readonly StrategyRow[]): string {
  const { layers, dim, heads, context, vocab } = strategyModel;
  const { sequences, microbatch } = strategyBatch;
  return [
    '# What each way to share a step costs',
    `One small GPT (${layers} layers of ${dim}, ${heads} heads, ${context} tokens, vocabulary ${vocab}) is trained by each plan, alone and ` +
      `together: ${sequences} sequences a step, ${microbatch} a microbatch, f32, AdamW. This page is made from the compiled programs; ` +
      '`npm run bench -- strategies` runs them on real processes and counts again, without the programs. Which field makes which plan: ' +
      '[parallelism.md](parallelism.md).',
    '## Bytes a device',
    'Of the device that has most: of each kind the most that is there at once. _Gathered_: parameters while they are whole, and their casts. ' +
      'The arena is all of a device’s memory, to the byte; what is there at different times shares it.',
    table(
      ['plan', 'devices', 'parameters', 'gathered', 'gradients', 'optimizer', 'activations', 'arena'],
      all.map(({ name, stated: { ranks, memory } }) => [
        `[${name}](#${anchorOf(name)})`,
        ranks,
        ...[
          memory.parameters,
          memory.gathered,
          memory.gradients,
          memory.optimizer,
          memory.activations,
          memory.arena,
        ].map(bytesOrNone),
      ]),
    ),
    '## What travels, and who waits',
    'Of one step. _Sent_: by the device that sends most, an all-reduce as 2 (k − 1)/k of its bytes, a gather or scatter as (k − 1)/k. ' +
      '_Synchronisations_: collectives and messages received, in which a device waits for others. The last three columns are shares of the ' +
      'devices’ time by the prices with which the compiler chooses (round figures, of no machine): they compute, they wait for a message of ' +
      'another group or have nothing left to do (the _bubble_), they wait for a collective (_exposed_).',
    table(
      ['plan', 'sent', 'of it', 'synchronisations', 'computing', 'bubble', 'exposed'],
      all.map(({ name, stated }) => [
        name,
        bytesOrNone(stated.sentBytes),
        byKind(stated),
        stated.synchronisations,
        ...[stated.shares.utilisation, stated.shares.bubble, stated.shares.exposed].map(percent),
      ]),
    ),
    ...measuredSection(measured),
    '## Timelines',
    'By the same prices: each device computes above, and below it is what is under way between it and others. Time goes to the right; each ' +
      'picture has its own scale.',
    ...all.flatMap(({ name }) => [`### ${name}`, `![${name}](strategies/${fileOf(name)}.svg)`]),
    '',
  ].join('\n\n');
}

function measuredSection(rows: readonly StrategyRow[]): readonly string[] {
  const [first] = rows;
  if (!first) return [];
  const { date, machine, cores, load } = first.setup;
  return [
    '## Measured',
    `On ${date}, ${machine}, ${cores} cores, load average ${load} before the first: \`npm run bench -- strategies\`. Devices are processes of one ` +
      'thread or more, and where there are more of them than cores, they take turns: then the time and its shares say more of the machine than ' +
      'of the plan. Bytes are counted twice, by the launches that the engine traced and by what left the process through its sockets, headers ' +
      'and notices of the library included. What it takes to begin a message or a collective counts with the wait for it.',
    table(
      ['plan', 'step', 'sent: stated', 'traced', 'sockets', 'synchronisations', 'computing', 'bubble', 'exposed'],
      rows.map(({ name, ours, stated, measured: { sentBytes, socketBytes, synchronisations, shares } }) => [
        name.replace(/^strategies\//, ''),
        `${(1e3 * ours).toFixed(0)} ms`,
        ...[stated.sentBytes, sentBytes, socketBytes].map(bytesOrNone),
        `${synchronisations} of ${stated.synchronisations}`,
        ...[shares.utilisation, shares.bubble, shares.exposed].map(percent),
      ]),
    ),
  ];
}

const kindNames: Readonly<Record<ExchangeKind, string>> = {
  all_reduce: 'all-reduce',
  all_gather: 'all-gather',
  reduce_scatter: 'reduce-scatter',
  all_to_all: 'all-to-all',
  permute: 'permute',
  send: 'messages',
};

const byKind = ({ exchanged }: StrategyStatement): string =>
  exchanges
    .filter((kind) => exchanged[kind].calls > 0)
    .map((kind) => `${kindNames[kind]} ${bytesText(exchanged[kind].bytes)} in ${exchanged[kind].calls}`)
    .join(', ');

const bytesOrNone = (bytes: number): string => (bytes === 0 ? '' : bytesText(bytes));

const percent = (share: number): string => `${(100 * Math.abs(share)).toFixed(0)}%`;

/** As GitHub makes them. */
const anchorOf = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} -]/gu, '')
    .replaceAll(' ', '-');

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
