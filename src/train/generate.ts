/** Sampling from a run's model: the token is chosen on the host. */
import { loadConfig } from '../config/file.js';
import { loadModel } from '../config/load_model.js';
import { DecodedStream } from '../data/decode_stream.js';
import { withRests, type InParts } from '../data/in_parts.js';
import { loadTokenizerInParts, separatorId } from '../data/tokenizer.js';
import { RunFolder } from '../run/folder.js';
import { pathsTold } from '../run/paths_told.js';
import { identifyModel, requireModel } from '../run/model_identity.js';
import { stepOfChoice } from '../run/checkpoint_choice.js';
import { openRunCheckpoint } from '../run/open_checkpoint.js';
import { requireDevice } from './device.js';
import { samplingOf, type GenerateSettings, type SettingSource } from './generate_settings.js';
import { hasParameters } from './initial_weights.js';
import { requireNativeEngine, requireVocab } from './prepare_run.js';
import { chooseToken, uniformNumbers } from './sample.js';
import { openSampler } from './sampler.js';

/**
 * What the latest checkpoint of a run, or that of a step, writes after the prompt. `onText` is told of each piece as it comes. Longer than
 * the context, the text is read from its last tokens on. `model`: a model of one's own, or the file that exports it; absent: as the run
 * folder says. Throws `run/not-found`, `config/…`, `checkpoint/…`, `engine/…`.
 */
export const generate = (path: string, settings: GenerateSettings = {}, source?: SettingSource): Promise<string> =>
  pathsTold(() => sampled(path, settings, source));

async function sampled(path: string, settings: GenerateSettings, source?: SettingSource): Promise<string> {
  const { prompt, tokens, temperature, top_k, seed } = samplingOf(settings, source);
  const { device, trust_code, model, onText = () => {} } = settings;
  const { accept_model_change: accept = false } = settings;
  const step = stepOfChoice(settings.checkpoint ?? 'latest');
  const folder = RunFolder.open(path);
  const where = typeof source === 'function' ? source('device') : (source ?? 'settings of generate()');
  const changes = device === undefined ? [] : [{ text: `device=${device}`, source: where }];
  const resolved = await loadConfig(folder.file('config.json'), changes, {
    ...(model !== undefined && { model }),
    trust_code,
  });
  const { config } = resolved;
  if (config.engine === 'native') {
    await requireNativeEngine();
    requireDevice(config, { ranks: 1, localRanks: 1 });
  }
  const tokenizerFile = folder.file('tokenizer.json');
  const tokenizer = await withRests(loadTokenizerInParts(tokenizerFile), () => {});
  const built = loadModel(resolved, tokenizer.vocab);
  requireVocab(built, { vocab: tokenizer.vocab, tokenizerFile });
  const given = prompt === '' ? [] : [...(await withRests(tokenizer.encodeInParts(prompt), () => {}))];
  const { separator } = config.data.tokenizer;
  const ids = given.length > 0 ? given : [separatorId(tokenizer, separator ?? undefined)];
  const checkpoint = await openRunCheckpoint(folder, config, { step, verify: 'structure' });
  const longest = Math.min(built.options.context, ids.length + tokens);
  const open = async () => {
    const loads = () => hasParameters(checkpoint, built);
    requireModel(folder, folder.readRecord().model, identifyModel(built, config), { accept, loads });
    return openSampler(checkpoint, config, built, longest);
  };
  const sampler = await open().finally(() => checkpoint.close());
  const random = uniformNumbers(seed);
  const made = new DecodedStream(tokenizer, given);
  let written = '';
  const write = async (further: InParts<string>) => {
    const text = await withRests(further, () => {});
    written += text;
    if (text !== '') onText(text);
  };
  try {
    for (let i = 0; i < tokens; i++) {
      // Where everything is computed in this process, nothing else would let a signal be heard.
      await new Promise((resume) => setImmediate(resume));
      const logits = await sampler.logitsAfter(ids);
      const id = chooseToken(logits.subarray(0, tokenizer.vocab), { temperature, top_k, random: random(i) });
      ids.push(id);
      await write(made.push(id));
    }
  } finally {
    await sampler.close();
  }
  await write(made.end());
  return written;
}
