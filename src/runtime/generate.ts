/** Sampling from a run's model: one rank, the whole text forward for each token, the token chosen on the host. */
import { nodeDisk, openLatest } from '../checkpoint/index.js';
import { loadTokenizer } from '../data/index.js';
import { separatorId } from '../data/tokenizer.js';
import { decode } from '../engine/host_array.js';
import type { Engine, LoadedProgram } from '../engine/engine.js';
import { NativeEngine } from '../engine/native/engine.js';
import { ReferenceEngine } from '../engine/reference/index.js';
import type { LanguageModel } from '../nn/language_model.js';
import { ops } from '../ops/index.js';
import { describeModel } from '../plan/describe_model.js';
import { planOfSizes } from '../plan/parallel_sizes.js';
import { compileForward } from '../program/compile.js';
import { arenaBytesOf } from '../program/share_arena.js';
import { precisionOf } from './choose_plan.js';
import { loadModel, readConfig } from './config.js';
import { deviceOf, requireDevice, targetOf } from './device.js';
import { threadsPerRank } from './launch/environment.js';
import { restoreTensors } from './load_state.js';
import type { TrainConfig } from './options.js';
import { requireNativeEngine } from './prepare_run.js';
import { resolveConfig } from './resolve.js';
import { RunFolder } from './run_folder.js';
import { chooseToken, uniformNumbers } from './sample.js';
import { stateOf } from './state.js';
import { writeBatch } from './step_inputs.js';

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
}

/**
 * What the latest checkpoint of a run writes after the prompt. `onText` is told of each piece as it comes. Longer than the context, the
 * text is read from its last tokens on. `customModel`: a module of one's own that no config file constructs. Throws `runtime/no-run`, `checkpoint/…`, `engine/…`.
 */
export async function generate(
  path: string,
  { prompt, tokens, temperature, topK, seed, device }: GenerateOptions,
  onText: (text: string) => void = () => {},
  customModel: LanguageModel | null = null,
): Promise<string> {
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
  const given = prompt === '' ? [] : [...tokenizer.encode(prompt)];
  const { separator } = config.data.tokenizer;
  const ids = given.length > 0 ? given : [separatorId(tokenizer, separator ?? undefined)];
  const sampler = await openSampler(folder, config, model, Math.min(model.options.context, ids.length + tokens));
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

interface Sampler {
  /** Logits of the token after these. */
  logitsAfter(ids: readonly number[]): Promise<Float64Array>;
  close(): Promise<void>;
}

/** Programs for texts of up to 32, 64, … `longest` tokens in one arena: a short text takes a short program. */
async function openSampler(
  folder: RunFolder,
  config: TrainConfig,
  model: LanguageModel,
  longest: number,
): Promise<Sampler> {
  const plan = planOfSizes({}, 1, describeModel(model), { sequences: 1, microbatch: 1 }, precisionOf(config));
  const lengths = [32, 64, 128, 256, 512, 1024, 2048, 4096].filter((length) => length < longest);
  const compiled = [...lengths, longest].map((sequence) => ({
    sequence,
    compiled: compileForward({ model, plan, sequence, registry: ops, target: targetOf(config), what: 'logits' }),
  }));
  const bytes = Math.max(...compiled.map((one) => arenaBytesOf([one.compiled.program], 0)));
  const engine: Engine =
    config.engine === 'reference'
      ? new ReferenceEngine({ registry: ops })
      : new NativeEngine({
          registry: ops,
          rank: 0,
          device: deviceOf(config, 0),
          threads: config.threads ?? threadsPerRank(1),
          arenaBytes: bytes,
        });
  const programs: { sequence: number; loaded: LoadedProgram }[] = [];
  // The largest first: the engine's memory is then never grown.
  for (const {
    sequence,
    compiled: { program },
  } of compiled.toReversed()) {
    programs.unshift({ sequence, loaded: await engine.load(program) });
  }
  const checkpoint = await openLatest(nodeDisk, folder.checkpoints(config), { verify: 'structure' });
  try {
    await restoreTensors(programs[0].loaded, stateOf(programs[0].loaded.program), checkpoint, [0]);
  } finally {
    await checkpoint.close();
  }
  return {
    async logitsAfter(ids) {
      const read = ids.slice(-longest);
      const { sequence, loaded } = programs.find((program) => program.sequence >= read.length)!;
      const tokens = new Int32Array(sequence);
      tokens.set(read);
      await writeBatch(loaded, plan, [0], () => ({ tokens, labels: tokens }));
      await loaded.run();
      const [rankClass] = loaded.program.classes;
      const { type } = rankClass.values[rankClass.results.logits];
      const all = await loaded.read({ rank: 0, name: 'logits' });
      const rows = all.length / sequence;
      return decode(type.dtype, all.subarray((read.length - 1) * rows, read.length * rows));
    },
    close: () => engine.close(),
  };
}
