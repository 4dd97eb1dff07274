import { expect, test } from 'vitest';
import { explain, explanationText } from '../../src/train/explain.js';
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
