/** A run's model, loaded to say what comes after a text: one rank, the whole text forward for each token. */
import type { Checkpoint } from '../checkpoint/index.js';
import type { TrainConfig } from '../config/schema.js';
import type { Engine, LoadedProgram } from '../engine/engine.js';
import { decode } from '../engine/host_array.js';
import { NativeEngine } from '../engine/native/engine.js';
import { ReferenceEngine } from '../engine/reference/index.js';
import type { LanguageModel } from '../nn/language_model.js';
import { ops } from '../ops/index.js';
import { describeModel } from '../plan/describe_model.js';
import { planOfSizes } from '../plan/parallel_sizes.js';
import { compileForward, type CompiledProgram } from '../compile/compile.js';
import { arenaBytesOf } from '../memory/share_arena.js';
import { restoreTensors } from '../run/load_state.js';
import { stateOf } from '../run/state.js';
import { precisionOf } from './choose_plan.js';
import { deviceOf, targetOf } from './device.js';
import { writeBatch } from './step_inputs.js';
import { threadsPerRank } from './threads.js';

export interface Sampler {
  /** Logits of the token after these. */
  logitsAfter(ids: readonly number[]): Promise<Float64Array>;
  close(): Promise<void>;
}

/**
 * Programs for texts of up to 32, 64, … `longest` tokens in one arena: a short text takes a short program. A model that can be traced at no
 * length but its context has that one.
 */
export async function openSampler(
  checkpoint: Checkpoint,
  config: TrainConfig,
  model: LanguageModel,
  longest: number,
): Promise<Sampler> {
  const plan = planOfSizes({}, 1, describeModel(model), { sequences: 1, microbatch: 1 }, precisionOf(config));
  const compiled = compileLengths(model.options.context, longest, (sequence) =>
    compileForward({ model, plan, sequence, registry: ops, target: targetOf(config), what: 'logits' }),
  );
  const bytes = arenaBytesOf(compiled.map((one) => one.compiled.program));
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
  try {
    // The largest first: the engine's memory is then never grown.
    for (const { sequence, compiled: one } of compiled.toReversed())
      programs.unshift({ sequence, loaded: await engine.load(one.program) });
    await restoreTensors(programs[0].loaded, stateOf(compiled[0].compiled.placed, [0]), checkpoint);
  } catch (error) {
    await engine.close();
    throw error;
  }
  return {
    async logitsAfter(ids) {
      const read = ids.slice(-programs[programs.length - 1].sequence);
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

interface CompiledLength {
  /** Tokens. */
  readonly sequence: number;
  readonly compiled: CompiledProgram;
}

/** Lengths up to one that holds `longest` tokens, ascending. Throws what the compiler says of the whole context, where that fails too. */
function compileLengths(
  context: number,
  longest: number,
  compile: (sequence: number) => CompiledProgram,
): readonly CompiledLength[] {
  const shorter = [32, 64, 128, 256, 512, 1024, 2048, 4096].filter((length) => length < longest);
  const compiled: CompiledLength[] = [];
  for (const sequence of new Set([...shorter, longest])) {
    try {
      compiled.push({ sequence, compiled: compile(sequence) });
    } catch (error) {
      // A forward may say in any words that a length is not its own; what it says of the context is the reason.
      if (sequence === context) throw error;
    }
  }
  if (compiled.at(-1)?.sequence !== longest) compiled.push({ sequence: context, compiled: compile(context) });
  return compiled;
}
