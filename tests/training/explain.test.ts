import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { explain } from '../../src/train/explain.js';
import { foldReshards } from '../../src/train/fold_reshards.js';
import { explanationText } from '../../src/train/explanation_text.js';
import { modelOf } from '../../src/config/model_objects.js';
import { resolveConfig } from '../../src/config/resolve.js';
import { forecastBytes } from '../../src/train/memory/forecast.js';

const config = (plan: object) =>
  resolveConfig({
    model: { family: 'gpt', layers: 2, dim: 64, heads: 4, context: 32, vocab: 512 },
    data: { tokenizer: { vocab: 512 } },
    batch: { sequences: 4, microbatch: 2 },
    precision: 'f32',
    device: 'cpu',
    plan: plan as never,
  });

test('tensor parallelism: two all-reduces a block forward and two backward, asked for by the residual stream', async () => {
  const { reshards, classes } = await explain(config({ tensor_parallel_size: 2 }));
  const reduces = reshards.filter(({ kind }) => kind === 'all_reduce over tensor');
  const inBlock = (direction: string) =>
    reduces.filter(
      ({ askedBy, value }) => askedBy.includes(direction) && value.includes('sequence') && askedBy.includes('blocks.0'),
    );
  expect(inBlock('forward').map(({ from, to }) => [from, to])).toEqual([
    ['{| sum:tensor}', '{}'],
    ['{| sum:tensor}', '{}'],
  ]);
  // 2 microbatches of 2 × 32 tokens of 64 numbers: a ring sends each element once over, for two ranks.
  expect(inBlock('forward')[0]).toMatchObject({ bytes: 2 * 32 * 64 * 4, times: 2 });
  expect(inBlock('backward')).toHaveLength(2);
  expect(classes).toHaveLength(1);
  expect(classes[0].arenaBytes / classes[0].liveBytes).toBeLessThan(1.02);
});

test('data parallelism exchanges nothing in the forward; one rank exchanges nothing at all', async () => {
  const { reshards } = await explain(config({ data_parallel_size: 2 }));
  expect(reshards.filter(({ askedBy }) => askedBy.includes('(forward)'))).toEqual([]);
  // Of every parameter's gradient, sums over data: in two buckets, of vectors and of matrices; then the loss and the token count.
  const reduces = reshards.filter(({ kind }) => kind === 'all_reduce over data');
  expect(reduces.map(({ members }) => members.length)).toEqual([18, 10, 0, 0]);
  expect(new Set(reduces.flatMap(({ members }) => members)).size).toBe(28);
  const alone = await explain(config({ data_parallel_size: 1 }));
  expect(alone.reshards).toEqual([]);
  expect(explanationText(alone)).toContain('reshards  0 a step');
});

test('each choice is told with its price and the next cheapest, equal layers once', async () => {
  const explanation = await explain(config({ data_parallel_size: 2, tensor_parallel_size: 2 }));
  const { choices } = explanation;
  // Two layers: each of their ops once, unless they differ.
  const [up] = choices.filter(({ name }) => name === 'blocks.*.mlp.up/einsum.0');
  expect(up).toMatchObject({ count: 2 });
  expect(up.chosen.split(' ').map((split) => split.split(':')[1])).toEqual(expect.arrayContaining(['data', 'tensor']));
  const others = choices.flatMap(({ seconds, runnerUp }) => (runnerUp ? [[seconds, runnerUp.seconds]] : []));
  expect(others.length).toBeGreaterThan(0);
  for (const [best, next] of others) expect(next).toBeGreaterThanOrEqual(best);
  expect(new Set(choices.map((choice) => JSON.stringify(choice))).size).toBe(choices.length);
  const text = explanationText(explanation);
  expect(text).toContain(`  blocks.*.mlp.up/einsum.0 × 2: ${up.chosen}, `);
  expect(text).toContain('    rather than ');
  // Nobody has measured a price: none is told in seconds, and the shares are of one whole.
  const page = text.slice(text.indexOf('\nchoices '), text.indexOf('\nwork '));
  expect(page).not.toMatch(/\d (µs|ms|s)\b/);
  const shares = [...page.matchAll(/, ([\d.]+)%$/gm)].map(([, share]) => Number(share));
  expect(shares).toHaveLength(choices.length);
  expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(100, -1);
});

test('reshards of equal layers are one entry with their number, and nothing is lost by it', async () => {
  const four = { ...config({ data_parallel_size: 2, tensor_parallel_size: 2, zero_stage: 3 }).config };
  const explanation = await explain(resolveConfig({ ...four, model: { ...four.model, layers: 4 } } as never));
  const folded = foldReshards(explanation.reshards);
  expect(folded.reduce((sum, { count }) => sum + count, 0)).toBe(explanation.reshards.length);
  const bytes = (all: readonly (readonly [{ readonly bytes: number; readonly times: number }, number])[]) =>
    all.reduce((sum, [one, count]) => sum + one.bytes * one.times * count, 0);
  expect(bytes(folded.map(({ reshard, count }) => [reshard, count]))).toBe(
    bytes(explanation.reshards.map((one) => [one, 1])),
  );
  expect(folded.length).toBeLessThan(explanation.reshards.length / 2);
  // Two all-reduces a block, forward.
  const reduces = folded.filter(
    ({ reshard: { kind, askedBy } }) => kind === 'all_reduce over tensor' && /blocks\.\*.*\(forward\)/.test(askedBy),
  );
  expect(reduces.length).toBeGreaterThan(0);
  expect(explanationText(explanation)).toMatch(/ all_gather over data, [\d.]+ kB, 4 alike\n/);
  // Another number of layers is told in as many lines.
  const two = foldReshards((await explain(config(four.plan as object))).reshards);
  expect(Math.abs(two.length - folded.length)).toBeLessThan(4);
});

test('what lasts a step is gathered once in it, and told so', async () => {
  const times = async (reshard_after_forward: boolean) => {
    const { config: one } = config({ data_parallel_size: 2, zero_stage: 3, reshard_after_forward });
    // Two scheduled microbatches.
    const { reshards } = await explain(resolveConfig({ ...one, batch: { sequences: 8, microbatch: 2 } }));
    return reshards.flatMap(({ kind, askedBy, times }) =>
      kind === 'all_gather over data' && askedBy.includes('bucket') ? [times] : [],
    );
  };
  expect(new Set(await times(false))).toEqual(new Set([1]));
  expect(new Set(await times(true))).toEqual(new Set([2]));
});

test('the schedule is drawn, and what was chosen for precision, ZeRO and the backward is told', async () => {
  const given = { data_parallel_size: 2, pipeline_parallel_size: 2, zero_stage: 3, prefetch: 2 };
  const resolved = config({ ...given, activation_checkpoint: 'selective' });
  const text = explanationText(
    await explain(resolveConfig({ ...resolved.config, batch: { sequences: 8, microbatch: 1 }, precision: 'bf16' })),
  );
  expect(text).toContain(
    [
      '  group 0  F0 F1 ·  ·  B0─── F2 B1─── F3 B2─── ·  B3───',
      '  group 1  ·  F0 B0─── F1 B1─── F2 B2─── F3 B3─── ·  ·',
    ].join('\n'),
  );
  expect(text).toContain('gathered once a step, 2 segments ahead (prefetch)');
  expect(text).toContain(
    'precision ops in bf16, parameters and state in f32, gradients summed in f32, reduced for each',
  );
  expect(text).toContain('again     blocks.*: what is cheap to make, kept for the backward');
  expect(explanationText(await explain(config({})))).not.toContain('group 0  F0');
});

test('each stage says how its work is shared: the busiest rank has an even share, and norms are repeated over tensor', async () => {
  const explanation = await explain(
    config({ data_parallel_size: 2, tensor_parallel_size: 2, pipeline_parallel_size: 2 }),
  );
  expect(explanation.work.map(({ ranks }) => ranks)).toEqual([4, 4]);
  for (const { share, flops, repeated } of explanation.work) {
    expect(share).toBeGreaterThan(0.99);
    expect(share).toBeLessThan(1.2);
    expect(repeated[0].axes).toEqual(['tensor']);
    // What has no tokens, such as the sum of two gradients of the embedding.
    for (const { axes, extraFlops } of repeated)
      if (axes.includes('data')) expect(extraFlops / flops).toBeLessThan(0.001);
  }
  const text = explanationText(explanation);
  expect(text).toContain('plan      pipeline 2 × data 2 × tensor 2: 8 ranks, 1f1b');
  expect(text).toContain('g0: ranks 0 to 3, data 2 × tensor 2: embedding, blocks.0\n');
  expect(text).toContain('g1: ranks 4 to 7, data 2 × tensor 2: blocks.1, head\n');
  expect(text).toMatch(/work .*\n {2}group 0: 1\.\d\d; repeated: .*over tensor/);
});

test('under a causal mask the last of four runs has more to do than its share, and none has head-tail', async () => {
  const busiest = async (balancer: string) => {
    const sizes = { context_parallel_size: 4, context_parallel_load_balancer: balancer };
    return (await explain(config(sizes))).work[0].busiestFlops;
  };
  // 32 tokens make 528 pairs of a query and a key; the last eight see all before them.
  const [even, last] = [528 / 4, 8 * 24 + (8 * 9) / 2];
  // Of four heads of 16 elements, forward and backward, in two layers and two sequences.
  const each = 4 * (4 * 16 + 5 + (10 * 16 + 6)) * 2 * 2;
  expect((await busiest('none')) - (await busiest('headtail'))).toBe((last - even) * each);
});

describe('sequences that lie in their own order though they are to be stored head-tail', () => {
  const told = async (plan: object, changes: { model?: object; documents?: 'separate' } = {}) => {
    const resolved = resolveConfig({
      model: { family: 'gpt', layers: 1, dim: 64, heads: 4, context: 32, vocab: 512, ...changes.model } as never,
      data: { tokenizer: { vocab: 512 }, documents: changes.documents ?? 'packed' },
      batch: { sequences: 4, microbatch: 2 },
      precision: 'f32',
      device: 'cpu',
      plan: { context_parallel_size: 2, ...plan } as never,
    });
    const explanation = await explain(resolved);
    expect(explanationText(explanation).includes('lie in their own order')).toBe(explanation.inOrder !== null);
    return explanation.inOrder?.message ?? 'in the order that was asked for';
  };
  const headtail = { context_parallel_load_balancer: 'headtail' };
  const ring = { ...headtail, context_parallel_method: 'ring' };

  test.each<[string, object, object, RegExp]>([
    ['a window', headtail, { model: { window: 8 } }, /attention of blocks\.0\.attention has a window of 8 tokens/],
    [
      'documents in a ring',
      ring,
      { documents: 'separate' },
      /depend on positions \(documents\)[^]*method to allgather/,
    ],
    [
      'biases in a ring',
      ring,
      { model: { positions: 'relative' } },
      /depend on positions \(biases\)[^]*method to allgather/,
    ],
    ['documents whose keys are gathered', headtail, { documents: 'separate' }, /^in the order that was asked for/],
    ['a ring', ring, {}, /^in the order that was asked for/],
    ['a window, and nothing asked for', {}, { model: { window: 8 } }, /^in the order that was asked for/],
  ])('%s', async (_, plan, changes, said) => {
    const message = await told(plan, changes);
    expect(message).toMatch(said);
    if (message.includes('[')) {
      expect(message).toContain('[plan/sequences-in-order]');
      expect(message).toMatch(/fix {4}remove plan.context_parallel_load_balancer.*; the run goes on as it is$/);
    }
  });
});

test('ranks that have nothing to compute are named, and padding is told', async () => {
  const text = explanationText(await explain(config({ data_parallel_size: 8 })));
  expect(text).toContain('1 scheduled microbatch of 8 × 2 sequences, 6 of the last 8 padding');
  expect(text).toMatch(/ranks 2 to 7 of 8 have nothing to compute \[plan\/ranks-idle\]/);
  const three = resolveConfig({ ...config({ data_parallel_size: 3 }).config, batch: { sequences: 4, microbatch: 1 } });
  expect(explanationText(await explain(three))).toContain(
    '2 scheduled microbatches of 3 × 1 sequence, 2 of the last 3 padding',
  );
});

test('what all ranks need is told as a run would be refused by it: arenas, processes, and whether it fits', async () => {
  const resolved = config({ data_parallel_size: 2 });
  const explained = await explain(resolved);
  const model = modelOf(resolved.config.model, 512)!;
  const request = { config: resolved.config, model, plan: explained.plan, target: 'cpu', localRanks: 2 } as const;
  const bytes = forecastBytes(request);
  expect(explained.memory).toMatchObject({ ranks: 2, bytes });
  const onHost = (physicalBytes: number, availableBytes = physicalBytes) =>
    explanationText({ ...explained, memory: { ...explained.memory!, host: { physicalBytes, availableBytes } } });
  expect(onHost(bytes)).toContain('that fits here: ');
  expect(onHost(bytes, bytes - 1)).toContain('that fits here once memory is free');
  expect(onHost(bytes - 1)).toContain('that does not fit here');
  expect(onHost(bytes)).toMatch(/all 2 ranks on one machine need .* of arenas, and 250 MB for each process\)/);
});

test.each<[string, object]>([
  ['one rank', {}],
  ['data', { data_parallel_size: 2, zero_stage: 1 }],
  ['ZeRO-3', { data_parallel_size: 2, zero_stage: 3, activation_checkpoint: 'full' }],
  ['tensor', { tensor_parallel_size: 2 }],
  ['a pipeline', { pipeline_parallel_size: 2, pipeline_schedule: 'zb-h1' }],
])('memory by kind adds up to the arena, to the byte: %s', async (_, plan) => {
  for (const precision of ['f32', 'bf16'] as const) {
    const explanation = await explain(resolveConfig({ ...config(plan).config, precision } as never));
    for (const { arenaBytes, liveBytes, byKind } of explanation.classes) {
      expect(Object.values(byKind).reduce((sum, bytes) => sum + bytes, 0)).toBe(arenaBytes);
      for (const bytes of Object.values(byKind)) expect(bytes).toBeGreaterThanOrEqual(0);
      expect(arenaBytes - byKind['free then']).toBeLessThanOrEqual(liveBytes);
    }
    // As it is printed, too.
    const text = explanationText(explanation);
    const memory = text.slice(text.indexOf('\nmemory\n'));
    const printed = [...memory.matchAll(/^ +([\d,]+) B {2}/gm)].map(([, bytes]) => Number(bytes.replaceAll(',', '')));
    expect(printed.reduce((sum, bytes) => sum + bytes, 0)).toBe(
      explanation.classes.reduce((sum, { arenaBytes }) => sum + arenaBytes, 0),
    );
  }
});

test('parameters are as many as the model has, state twice that, and ZeRO divides what it says', async () => {
  const [vocab, dim, context, hidden, layers] = [512, 64, 32, 256, 2];
  const block = 4 * dim + (dim + 1) * 3 * dim + (dim + 1) * dim + (dim + 1) * hidden + (hidden + 1) * dim;
  const parameters = 4 * ((vocab + context) * dim + layers * block + 2 * dim);
  const of = async (plan: object) => (await explain(config(plan))).classes[0].byKind;
  expect(await of({})).toMatchObject({ parameters, 'optimizer state': 2 * parameters });
  expect(await of({})).toMatchObject({ 'gradients of parameters': parameters, 'gathered or cast parameters': 0 });
  const two = { data_parallel_size: 2 };
  expect(await of({ ...two, zero_stage: 1 })).toMatchObject({ parameters, 'optimizer state': parameters });
  const third = await of({ ...two, zero_stage: 3 });
  expect(third).toMatchObject({ parameters: parameters / 2, 'optimizer state': parameters });
  expect(third['gathered or cast parameters']).toBeGreaterThan(0);
  const again = await of({ activation_checkpoint: 'full' });
  expect(again['activations and their gradients']).toBeLessThan((await of({}))['activations and their gradients']);
});

test('the command takes the flags of train that say what is trained', () => {
  const flagsOf = (name: string) =>
    new Set(readFileSync(`scripts/help/${name}.txt`, 'utf8').match(/(?<=^ {2}(?:-\w, )?)--[\w-]+/gm));
  const [train, explains] = [flagsOf('train'), flagsOf('explain')];
  expect(train.size).toBeGreaterThan(20);
  // The summary of a run.
  train.delete('--json');
  expect([...train].filter((flag) => !explains.has(flag))).toEqual([]);
});
