/** A sample of `npm run mutants`: whatever the executor shows to be wrong is rejected, and legal changes are accepted. */
import { expect, test } from 'vitest';
import { runCampaign } from '../bench/mutants/campaign.js';
import { schedule } from '../bench/mutants/faults/schedule.js';
import { again } from '../bench/mutants/faults/again.js';
import { axes } from '../bench/mutants/faults/axes.js';
import { packed } from '../bench/mutants/faults/packed.js';
import { sitesOf } from '../bench/mutants/edit.js';
import { placedAxes } from '../bench/mutants/placed/axes.js';
import { runPlacedCampaign } from '../bench/mutants/placed/campaign.js';
import { buildBases } from '../bench/mutants/programs.js';
import { recordFaults } from '../bench/mutants/placed/records.js';
import { reorderings } from '../bench/mutants/reorderings.js';
import { summarize } from '../bench/mutants/report.js';
import { kindNames } from '../src/program/kinds.js';

test('the programs that are mutated have instructions of every kind', { timeout: 120_000 }, () => {
  const kinds = buildBases().flatMap(({ scenario: { program } }) =>
    sitesOf(program, () => true).map(({ instruction }) => instruction.kind),
  );
  expect([...new Set(kinds)].sort()).toEqual([...kindNames].sort());
});

test('mutants that can go wrong are rejected, legal reorderings are accepted', { timeout: 300_000 }, () => {
  const report = runCampaign({
    count: 60,
    legal: 15,
    seed: 2,
    programs: [
      'mlp, data 2, 2 microbatches',
      'mlp, data 2 × tensor 2, 2 microbatches, ZeRO-1',
      'gpt, data 2, 2 microbatches, native kernels',
      'gpt with dropout, three layers in loops, data 2',
      'mlp, data 3, 2 microbatches, ZeRO-1, native kernels',
      'gpt, two groups, 1F1B, 3 microbatches',
      'mlp, data 2, 2 microbatches, ZeRO-3',
      'gpt in bf16, data 2 × tensor 2, 2 microbatches, ZeRO-3',
      'mlp, two groups of two chunks, interleaved, 3 microbatches',
      'mlp, two groups there and back, zb-v, 2 microbatches',
      'mixtral, experts over data 2 × tensor 2, ZeRO-3',
      'gpt, two groups of data 2, a tied weight, 1F1B, 2 microbatches, ZeRO-3',
    ],
  });
  const { wrong, kinds, false_accepts, legal, legal_accepted } = summarize(report);
  expect(report.notes).toEqual([]);
  expect({ false_accepts, rejected: legal - legal_accepted }).toEqual({ false_accepts: 0, rejected: 0 });
  expect(wrong).toBeGreaterThan(40);
  expect(kinds).toBeGreaterThanOrEqual(30);
});

test('so are mutants of the placed graphs that programs are proved equal to', { timeout: 300_000 }, () => {
  const report = runPlacedCampaign({
    count: 80,
    seed: 2,
    programs: [
      'mlp, data 2 × tensor 2, 2 microbatches, ZeRO-1',
      'mlp, data 2, 2 microbatches, ZeRO-3',
      'mixtral, experts over data 2',
      'gpt, two groups of data 2, a tied weight, 1F1B, 2 microbatches, ZeRO-3',
    ],
  });
  const { wrong, kinds, false_accepts } = summarize(report);
  expect(report.notes).toEqual([]);
  expect(false_accepts).toBe(0);
  expect(wrong).toBeGreaterThan(50);
  expect(kinds).toBeGreaterThanOrEqual(14);
});

test(
  'what is made again is made again in every microbatch, as it was, and by no one kept for longer',
  { timeout: 300_000 },
  () => {
    const programs = [
      'gpt with dropout, two layers made again, data 2, 2 microbatches, ZeRO-3',
      'gpt with dropout, made again, two groups, 1F1B, 2 microbatches',
    ];
    const ofPrograms = runCampaign({
      count: 28,
      legal: 6,
      seed: 2,
      programs,
      only: [...Object.keys(again), ...Object.keys(reorderings)],
    });
    const ofGraphs = runPlacedCampaign({
      count: 30,
      seed: 2,
      programs: [...programs, 'mlp, data 2, 2 microbatches'],
      only: ['other_stream_again', 'keep_for_the_step', 'keep_less_long', 'read_another_instance', 'give_derived'],
    });
    const [made, placed] = [ofPrograms, ofGraphs].map((report) => summarize(report));
    expect([...ofPrograms.notes, ...ofGraphs.notes]).toEqual([]);
    expect([made.false_accepts, placed.false_accepts, made.legal - made.legal_accepted]).toEqual([0, 0, 0]);
    expect([made.wrong > 20, made.kinds > 5]).toEqual([true, true]);
    expect([placed.wrong > 8, placed.kinds > 3]).toEqual([true, true]);
  },
);

test(
  'what is gathered ahead of a slot is its own, of its microbatch, in time and of this step',
  { timeout: 300_000 },
  () => {
    const report = runCampaign({
      count: 40,
      legal: 6,
      seed: 2,
      programs: [
        'mlp, data 2, 2 microbatches, ZeRO-3',
        'gpt, two groups of data 2, a tied weight, 1F1B, 2 microbatches, ZeRO-3',
        'mlp, two groups of two chunks, interleaved, 2 microbatches, ZeRO-3',
      ],
      only: [...Object.keys(schedule).filter((name) => name.includes('lead_in')), ...Object.keys(reorderings)],
    });
    const { wrong, kinds, false_accepts, legal, legal_accepted } = summarize(report);
    expect(report.notes).toEqual([]);
    expect({ false_accepts, rejected: legal - legal_accepted }).toEqual({ false_accepts: 0, rejected: 0 });
    expect([wrong > 20, kinds]).toEqual([true, 5]);
  },
);

test(
  'what lies in buckets lies where and as it is said, and tiles go where they belong; contracts may come in any order',
  { timeout: 300_000 },
  () => {
    const report = runCampaign({
      count: 60,
      legal: 4,
      seed: 2,
      programs: [
        'mlp, data 2 × tensor 2, 2 microbatches, ZeRO-1',
        'mlp, uneven over data 2 × tensor 2, 2 microbatches',
        'gpt, tensor 2, 2 microbatches',
        'mlp, two groups of two chunks, interleaved, 3 microbatches',
        'gpt, two groups there and back, a tied weight, zb-v, 2 microbatches, ZeRO-3',
      ],
      only: [...Object.keys(packed), 'read_another_gather', 'wrong_tile', 'exchange_tiles', 'shuffle_contract'],
    });
    const { wrong, kinds, false_accepts, legal, legal_accepted } = summarize(report);
    expect(report.notes).toEqual([]);
    expect({ false_accepts, rejected: legal - legal_accepted }).toEqual({ false_accepts: 0, rejected: 0 });
    expect([wrong > 40, kinds]).toEqual([true, 7]);
  },
);

test(
  'what records say of buckets is what the graphs have, alike on all groups that store one',
  { timeout: 300_000 },
  () => {
    const report = runPlacedCampaign({
      count: 60,
      seed: 2,
      programs: [
        'mlp, data 2 × tensor 2, 2 microbatches, ZeRO-1',
        'mlp, data 2, 2 microbatches, ZeRO-3',
        'gpt, data 2, 2 microbatches',
        'mlp, two groups of data 2 with the same weights, 1F1B, 2 microbatches, ZeRO-3',
        'mlp, two groups of two chunks, interleaved, 2 microbatches, ZeRO-3',
      ],
      only: Object.keys(recordFaults),
    });
    const { wrong, kinds, false_accepts } = summarize(report);
    expect(report.notes).toEqual([]);
    expect(false_accepts).toBe(0);
    expect([wrong > 35, kinds]).toEqual([true, Object.keys(recordFaults).length]);
  },
);

test(
  'where a run of positions begins, whose expert a gradient is of and what a token’s experts weigh is as the graphs have it',
  { timeout: 300_000 },
  () => {
    const programs = [
      'gpt, its sequences over context 2, allgather',
      'gpt, its sequences over context 2, ulysses+ring',
      'gpt, its sequences over context 3, ring',
      'mixtral of two choices, experts over data 2, sequences over context 2',
      'mixtral of two choices, experts over two shards, in two replicas',
    ];
    const only = [...Object.keys(axes), 'drop_origins'];
    const ofPrograms = runCampaign({ count: 30, legal: 4, seed: 2, programs, only: [...only, 'shuffle_contract'] });
    const ofGraphs = runPlacedCampaign({
      count: 36,
      seed: 2,
      programs,
      only: [...Object.keys(placedAxes), 'drop_origins'],
    });
    const [made, placed] = [ofPrograms, ofGraphs].map((report) => summarize(report));
    expect([...ofPrograms.notes, ...ofGraphs.notes]).toEqual([]);
    expect([made.false_accepts, placed.false_accepts, made.legal - made.legal_accepted]).toEqual([0, 0, 0]);
    expect([made.wrong > 10, made.kinds]).toEqual([true, only.length]);
    expect([placed.wrong > 10, placed.kinds]).toEqual([true, Object.keys(placedAxes).length + 1]);
  },
);
