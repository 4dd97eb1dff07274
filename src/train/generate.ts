/** Sampling from a run's model: the token is chosen on the host. */
import { readConfig } from '../config/file.js';
import { loadModel } from '../config/load_model.js';
import { resolveConfig } from '../config/resolve.js';
import type { TrainConfig } from '../config/schema.js';
import { loadTokenizer } from '../data/index.js';
import { separatorId } from '../data/tokenizer.js';
import type { LanguageModel } from '../nn/language_model.js';
import { RunFolder } from '../run/folder.js';
import { openRunCheckpoint } from '../run/open_checkpoint.js';
import { identifyModel, requireModel } from '../run/model_identity.js';
import { requireDevice } from './device.js';
import { requireNativeEngine } from './prepare_run.js';
import { chooseToken, uniformNumbers } from './sample.js';
import { openSampler } from './sampler.js';

export interface GenerateOptions {
  /** Text to go on from; empty: the start of a document. */
  readonly prompt: string;
  /** How many to add. */
  readonly tokens: number;
  /** Divides the logits; 0 takes the likeliest token. */
  readonly temperature: number;
  /** Only so many of the likeliest tokens are drawn from; null: all. */
  readonly topK: number | null;
  /** The same seed gives the same text. */
  readonly seed: number;
  /** Where to compute; absent: where the run was to. */
  readonly device?: TrainConfig['device'];
  /** Step of the checkpoint whose weights are taken; absent or null: the latest. */
  readonly checkpoint?: number | null;
  /** Whether a model that is not the one that the run has trained is sampled from. Default false: it is refused. */
  readonly acceptModelChange?: boolean;
}

/**
 * What the latest checkpoint of a run, or that of a step, writes after the prompt. `onText` is told of each piece as it comes. Longer than
 * the context, the text is read from its last tokens on. `customModel`: a module of one's own that no config file constructs. Throws
 * `run/not-found`, `run/model-differs`, `checkpoint/…`, `engine/…`.
 */
export async function generate(
  path: string,
  options: GenerateOptions,
  onText: (text: string) => void = () => {},
  customModel: LanguageModel | null = null,
): Promise<string> {
  const { prompt, tokens, temperature, topK, seed, device } = options;
  const { checkpoint: step = null, acceptModelChange: accept = false } = options;
  const folder = RunFolder.open(path);
  const { config } = resolveConfig(await readConfig(folder.file('config.json')), {
    source: folder.file('config.json'),
    overrides: device === undefined ? [] : [`device=${device}`],
  });
  if (config.engine === 'native') {
    await requireNativeEngine();
    requireDevice(config, { ranks: 1, localRanks: 1 });
  }
  const tokenizer = loadTokenizer(folder.file('tokenizer.json'));
  const model = customModel ?? (await loadModel(config, tokenizer.vocab));
  requireModel(folder, folder.readRecord().model, identifyModel(model, config.model), { accept });
  const given = prompt === '' ? [] : [...tokenizer.encode(prompt)];
  const { separator } = config.data.tokenizer;
  const ids = given.length > 0 ? given : [separatorId(tokenizer, separator ?? undefined)];
  const checkpoint = await openRunCheckpoint(folder, config, { step, verify: 'structure' });
  const longest = Math.min(model.options.context, ids.length + tokens);
  const sampler = await openSampler(checkpoint, config, model, longest).finally(() => checkpoint.close());
  const random = uniformNumbers(seed);
  const made: number[] = [];
  let told = '';
  try {
    for (let i = 0; i < tokens; i++) {
      const logits = await sampler.logitsAfter(ids);
      const id = chooseToken(logits.subarray(0, tokenizer.vocab), { temperature, topK, random: random(i) });
      ids.push(id);
      made.push(id);
      // A token may end within a character: text is told once it is whole.
      const text = tokenizer.decode(made);
      if (!text.endsWith('\ufffd')) {
        onText(text.slice(told.length));
        told = text;
      }
    }
  } finally {
    await sampler.close();
  }
  return tokenizer.decode(made);
}
