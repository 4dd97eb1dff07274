/**
 * Several models of one's own in one script: two widths are tried, the better one is trained on and writes. From the root of a checkout:
 * `npx tsx examples/sweep.ts`. From a shell, `flotilla resume RUN --model FILE` goes on with a script's run, where FILE exports its model.
 *
 * The calls run one after the other. In the rank processes of a call this script runs again, up to that call, and earlier calls give what
 * they gave here: which way it takes may depend on that and on its arguments, and on nothing else. Ctrl-C ends the script and not only the
 * run that trains, which is saved.
 */
import { data, generate, resume, train } from '../src/index.js';
import { Tiny } from './own_model.js';

const tiny = (dim: number) => new Tiny({ layers: 2, dim, heads: 4, context: 128, vocab: 512 });

const tried: { dim: number; folder: string; loss: number }[] = [];
for (const dim of [32, 64]) {
  const { folder, summary } = await train({
    model: tiny(dim),
    data: data.text('docs/**/*.md', { tokenizer: { train: 'bpe', vocab: 512 } }),
    batch: { sequences: 8, microbatch: 4 },
    steps: 30,
    ranks: 1,
    sample: { tokens: 0 },
  });
  tried.push({ dim, folder, loss: summary.validationLoss ?? Infinity });
}

const [best] = tried.toSorted((a, b) => a.loss - b.loss);
console.log(`dim ${best.dim}: ${best.loss.toFixed(3)} nats a token`);
await resume(best.folder, { model: tiny(best.dim), overrides: ['steps=60'] });
console.log(await generate(best.folder, { model: tiny(best.dim), prompt: 'A rank ', tokens: 40 }));
