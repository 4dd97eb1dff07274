/**
 * The validation loss against a count by hand: the cross-entropy of each sequence's logits, one sequence at a time, from the parameters in
 * the checkpoint. The sequences fill no whole number of batches, so that the last is padded.
 */
import { readdirSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { nodeDisk, openCheckpoint } from '../../src/checkpoint/index.js';
import { openDataset } from '../../src/data/index.js';
import type { Tensor } from '../../src/index.js';
import { LanguageModel, type LanguageModelOptions, type SummedLoss } from '../../src/nn/language_model.js';
import { Linear } from '../../src/nn/linear.js';
import { GPT, Mixtral } from '../../src/nn/models/index.js';
import { traceLogits } from '../../src/nn/trace.js';
import { evaluate, referenceKernels } from '../../src/ops/evaluate.js';
import { Workplace } from './tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());

const sizes = { layers: 1, dim: 8, heads: 2, context: 8, vocab: 270 };
const mixture = { ...sizes, hidden: 12, experts: 4, choices: 2 };

/** A bigram model that is trained on a sum of its own, beside or in place of its cross-entropy. */
class Own extends LanguageModel<LanguageModelOptions & { readonly weight: number; readonly auxiliary: boolean }> {
  head = new Linear({ in: { vocab: 270 }, out: { vocab: 270 }, bias: false });

  forward(tokens: Tensor) {
    return this.head.forward(tokens.oneHot('vocab', 270));
  }

  override loss(tokens: Tensor, labels: Tensor): SummedLoss {
    const { lossSum, tokens: count } = super.loss(tokens, labels);
    const penalty = this.forward(tokens).square().sum('microbatch batch sequence vocab').mul(this.options.weight);
    const term = { name: 'penalty', sum: penalty, over: 'tokens', weight: 1 } as const;
    if (this.options.auxiliary) return { lossSum, tokens: count, terms: [term] };
    return { lossSum: lossSum.add(penalty), tokens: count };
  }
}

/** Trains one step that hardly moves a weight. */
async function validated(name: string, model: LanguageModel) {
  const { summary } = await work.train(name, {
    model,
    batch: { sequences: 10, microbatch: 5 },
    steps: 1,
    optimizer: { lr: 1e-12, warmup_steps: 0, decay_steps: null },
    evaluation: { every_steps: null, batches: 100 },
  });
  return { summary, training: work.losses(name)[0] };
}

async function lossByHand(name: string, model: LanguageModel) {
  const { graph } = traceLogits(model, { batch: 1, sequence: sizes.context });
  const checkpoint = await openCheckpoint(nodeDisk, work.checkpoint(name, 1));
  const weights: Record<string, Float64Array> = {};
  for (const input of checkpoint.names('parameter')) {
    const bytes = await checkpoint.read(input);
    weights[input] = Float64Array.from(new Float32Array(bytes.slice().buffer));
  }
  await checkpoint.close();
  const [folder] = readdirSync(work.file('cache', 'data')).filter((name) => name !== 'seen');
  const options = { context: sizes.context, globalBatch: 1, validationSequences: 10_000 };
  const dataset = openDataset(work.file('cache', 'data', folder), options);
  const { tokens, labels, sequences, context } = dataset.validation.batch();
  const kernels = referenceKernels();
  let nats = 0;
  for (let sequence = 0; sequence < sequences; sequence++) {
    const row = tokens.subarray(sequence * context, (sequence + 1) * context);
    const { logits } = evaluate(graph, { ...weights, tokens: Float64Array.from(row) }, kernels).outputs;
    for (let place = 0; place < context; place++) {
      const scores = logits.subarray(place * sizes.vocab, (place + 1) * sizes.vocab);
      const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
      nats += Math.log(total) - scores[labels[sequence * context + place]];
    }
  }
  dataset.close();
  return { loss: nats / (sequences * context), sequences, bytesPerToken: dataset.bytesPerToken };
}

test('it counts no padding, and drops nothing out', async () => {
  const model = new GPT({ ...sizes, dropout: 0.4 });
  const { summary } = await validated('gpt', model);
  const byHand = await lossByHand('gpt', model);
  expect(byHand.sequences % 10).not.toBe(0);
  expect(Math.abs(summary.validationLoss! / byHand.loss - 1)).toBeLessThan(1e-6);
  expect(summary.bitsPerByte).toBeCloseTo(byHand.loss / Math.LN2 / byHand.bytesPerToken, 5);
});

test('of a mixture of experts it is one number, whatever the weight of the routers’ balance; so is the training loss', async () => {
  const models = [0, 0.01, 1, 100].map((balance) => new Mixtral({ ...mixture, balance }));
  const runs = [];
  for (const [i, model] of models.entries()) runs.push(await validated(`balance ${i}`, model));
  const [{ summary, training }] = runs;
  const byHand = await lossByHand('balance 0', models[0]);
  expect(Math.abs(summary.validationLoss! / byHand.loss - 1)).toBeLessThan(1e-6);
  for (const run of runs) {
    expect(run.summary).toMatchObject({ validationLoss: summary.validationLoss, bitsPerByte: summary.bitsPerByte });
    expect(run.training).toBe(training);
  }
});

test('of a model with a loss of its own it is the cross-entropy of its logits', async () => {
  const models = (
    [
      [0, false],
      [0.5, false],
      [0.5, true],
    ] as const
  ).map(([weight, auxiliary]) => new Own({ ...sizes, weight, auxiliary }));
  const runs = [];
  for (const [i, model] of models.entries()) runs.push(await validated(`own ${i}`, model));
  const byHand = await lossByHand('own 0', models[0]);
  for (const { summary } of runs) expect(Math.abs(summary.validationLoss! / byHand.loss - 1)).toBeLessThan(1e-6);
  // In training the loss is what the model calls its loss.
  const [plain, added, beside] = runs.map(({ training }) => training);
  expect(added).toBeGreaterThan(plain + 0.03);
  expect(beside).toBe(plain);
});
