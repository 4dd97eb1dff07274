/** Fields that contradict each other, refused with the nearest values that agree. */
import { optionConflict } from './diagnostics.js';
import type { TrainConfig } from './schema.js';

/** `written`: the model before what follows from other fields was filled in. Throws `config/option-conflict`. */
export function refuseConflicts(
  { model, data, batch, optimizer, steps, minutes, engine, device, ...config }: TrainConfig,
  { source, written }: { readonly source: string; readonly written: TrainConfig['model'] },
): void {
  const keptKvHeads = 'kv_heads' in written ? written.kv_heads : null;
  const refuse = (options: readonly string[], problem: string, fix: string): never => {
    throw optionConflict({ options, problem, source, fix });
  };
  if (steps !== null && minutes !== null) {
    refuse(['steps', 'minutes'], `the run is to last ${steps} steps and ${minutes} minutes`, 'give one of the two');
  }
  if (batch.sequences % batch.microbatch !== 0) {
    const near = multiplesNear(batch.sequences, batch.microbatch).join(' or ');
    const problem = `a batch of ${batch.sequences} sequences is not a whole number of microbatches of ${batch.microbatch}`;
    refuse(['batch.sequences', 'batch.microbatch'], problem, `set batch.sequences to ${near}`);
  }
  if (model.family !== 'custom' && model.dim % model.heads !== 0) {
    refuse(
      ['model.dim', 'model.heads'],
      `a width of ${model.dim} cannot be cut into ${model.heads} heads`,
      `set ${widthsAndHeads(model, keptKvHeads)}`,
    );
  }
  if (model.family === 'llama' || model.family === 'mixtral') {
    const kvHeads = model.kv_heads ?? model.heads;
    if (model.heads % kvHeads !== 0) {
      const divisors = Array.from({ length: model.heads }, (_, k) => k + 1).filter((k) => model.heads % k === 0);
      const problem = `${model.heads} heads cannot share ${kvHeads} key/value heads evenly`;
      refuse(['model.kv_heads', 'model.heads'], problem, `set model.kv_heads to one of ${divisors.join(', ')}`);
    }
    if ((model.dim / model.heads) % 2 !== 0) {
      const problem = `rotary positions need an even head size, and dim / heads is ${model.dim / model.heads}`;
      refuse(['model.dim', 'model.heads'], problem, `set ${widthsAndHeads(model, keptKvHeads)}`);
    }
  }
  if (model.family === 'mixtral' && model.choices > model.experts) {
    const problem = `${model.choices} choices among ${model.experts} experts`;
    refuse(['model.choices', 'model.experts'], problem, `set model.choices to ${model.experts} or less`);
  }
  if (model.vocab !== null && data.tokenizer.file === null && model.vocab < data.tokenizer.vocab) {
    const problem = `the tokenizer may have ${data.tokenizer.vocab} tokens, and the embedding has ${model.vocab} rows`;
    refuse(['model.vocab', 'data.tokenizer.vocab'], problem, `set data.tokenizer.vocab to ${model.vocab}`);
  }
  const decaySteps = optimizer.decay_steps;
  if (decaySteps !== null && (optimizer.warmup_steps ?? 0) > decaySteps) {
    const problem = `warm-up of ${optimizer.warmup_steps} steps is longer than the schedule of ${decaySteps}`;
    const fix = `set optimizer.warmup_steps to ${Math.floor(decaySteps / 10)}`;
    refuse(['optimizer.warmup_steps', 'optimizer.decay_steps'], problem, fix);
  }
  if (engine === 'reference' && device === 'cuda') {
    refuse(
      ['engine', 'device'],
      'the reference engine computes in TypeScript, on no GPU',
      'set engine to native or device to cpu',
    );
  }
  if (typeof config.plan !== 'string' && config.ranks !== null) {
    const { data_parallel_size: replicas, tensor_parallel_size: tensor, pipeline_parallel_size: stages } = config.plan;
    const copy = tensor * stages;
    const fits = replicas === null ? config.ranks % copy === 0 : config.ranks === replicas * copy;
    const wanted = replicas === null ? `a multiple of ${copy}` : `${replicas * copy}`;
    const nearby = replicas === null ? multiplesNear(config.ranks, copy).join(' or ') : wanted;
    if (!fits) {
      const problem = `the plan is for ${wanted} ranks, and ranks is ${config.ranks}`;
      refuse(['ranks', 'plan'], problem, `set ranks to ${nearby}, or leave it out`);
    }
  }
}

/** `model.dim to 30 or 35, or model.heads to 4 or 8`: each of them alone makes whole heads, of even size where positions are rotary, and
 * shared by `kvHeads` key/value heads where these are not as many by themselves. */
function widthsAndHeads(model: Exclude<TrainConfig['model'], { family: 'custom' }>, kvHeads: number | null): string {
  const { family, dim, heads } = model;
  const isRotary = family !== 'gpt';
  const isLegal = (one: number) =>
    dim % one === 0 && (!isRotary || (dim / one) % 2 === 0) && (kvHeads === null || one % kvHeads === 0);
  const legal = Array.from({ length: Math.min(dim, mostHeads) }, (_, i) => i + 1).filter(isLegal);
  const near = [legal.findLast((one) => one < heads), legal.find((one) => one > heads)].filter(
    (one) => one !== undefined,
  );
  const widths = multiplesNear(dim, isRotary ? 2 * heads : heads).join(' or ');
  return `model.dim to ${widths}${near.length > 0 ? `, or model.heads to ${near.join(' or ')}` : ''}`;
}

/** More heads than any model has: no more are looked through for those that divide a width. */
const mostHeads = 4096;

/** The multiples of `step` next to `value`, positive. */
function multiplesNear(value: number, step: number): number[] {
  const below = Math.floor(value / step) * step;
  return [below, below + step].filter((multiple) => multiple > 0);
}
