/**
 * A run that stops when it gets no better: a listener looks at the validation losses, and aborts. What was trained is saved, and the script
 * goes on with it. From the root of a checkout: `npx tsx examples/early_stop.ts`.
 */
import { data, generate, models, train, trainEvents } from '../src/index.js';

/** Stops a run whose validation loss has not improved for so many measurements. */
function stopWhenNoBetter(measurements: number) {
  const events = trainEvents();
  const stop = new AbortController();
  let [best, since] = [Infinity, 0];
  events.subscribe((event) => {
    if (event.kind !== 'validation') return;
    since = event.loss < best ? 0 : since + 1;
    best = Math.min(best, event.loss);
    if (since >= measurements) stop.abort(`no better for ${since} measurements`);
  });
  return { events, signal: stop.signal };
}

const { folder, summary, aborted } = await train(
  {
    model: new models.GPT({ layers: 2, dim: 64, heads: 4, context: 64, vocab: 512 }),
    data: data.text('docs/**/*.md', { tokenizer: { train: 'bpe', vocab: 512 } }),
    batch: { sequences: 8, microbatch: 8 },
    evaluation: { every_steps: 20 },
    steps: 2000,
    ranks: 1,
  },
  stopWhenNoBetter(3),
);
console.log(`${aborted ? 'stopped' : 'ended'} after ${summary.steps} steps at ${summary.validationLoss} nats a token`);
console.log(await generate(folder, { prompt: 'A rank ', tokens: 40 }));
