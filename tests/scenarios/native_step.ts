/** Scenarios on the native engine: the same graphs and plan, compiled for the addon's kernels, one rank at a time. */
import type { LoadedProgram, NonFinite } from '../../src/engine/engine.js';
import { decode, encode } from '../../src/engine/host_array.js';
import { NativeEngine } from '../../src/engine/native/engine.js';
import { deviceOfRank } from '../../src/engine/native/testing/device.js';
import type { Doubles } from '../../src/engine/native/testing/doubles.js';
import { meet } from '../../src/engine/native/meet.js';
import { testDeviceType } from '../../src/engine/native/testing/device.js';
import { hostValues, instanceName, readableValues, type RankBlocks } from '../../src/engine/reference/execute.js';
import { scatterValues } from '../../src/engine/reference/shards.js';
import { placeRanks } from '../../src/engine/reference/virtual_rank.js';
import type { DeviceType } from '../../src/kernels/device.js';
import { ops } from '../../src/ops/index.js';
import { compileGraphs } from '../../src/compile/compile.js';
import type { Program, RankClass } from '../../src/program/program.js';
import { tableOf } from '../../src/plan/plan_schedule.js';
import { inputValues, parametersOf, planOf, runSerial, type ScenarioOptions, type Values } from './scenario.js';

export interface NativeScenario {
  readonly program: Program;
  /** What the host writes, by global rank. */
  readonly inputs: readonly RankBlocks[];
  readonly ranks: number;
  serial(): Values;
}

/** Compiled for the device of the tests unless another is given. */
export function nativeScenario(options: ScenarioOptions, target: DeviceType = testDeviceType): NativeScenario {
  const { step, update, microbatches = 1 } = options;
  const plan = planOf(options);
  const slots = tableOf(plan);
  const { program } = compileGraphs(
    { plan, registry: ops, target },
    { parameters: parametersOf(step) },
    step,
    update,
    slots,
  );
  const inputs = inputValues(options, microbatches);
  return {
    program,
    inputs: scatterValues(program, inputs),
    ranks: placeRanks(program).length,
    serial: () => runSerial(options, inputs, microbatches),
  };
}

/** One step, every rank an engine of this process; on the device of the tests, or on doubles of its parts. */
export const runNatively = (scenario: NativeScenario, doubles?: Doubles): Promise<readonly RankBlocks[]> =>
  onEngines(scenario, (engine) => runRankStep(scenario, engine), doubles);

/** What each rank finds of a step that is run for its first value that is not finite. */
export const firstNonFiniteNatively = (scenario: NativeScenario): Promise<readonly (NonFinite | null)[]> =>
  onEngines(scenario, async (engine) => (await loadWritten(scenario, engine)).firstNonFinite());

/** Work on every rank, each an engine of this process that has met the others. */
async function onEngines<T>(
  scenario: NativeScenario,
  work: (engine: NativeEngine) => Promise<T>,
  doubles?: Doubles,
): Promise<readonly T[]> {
  const { device = deviceOfRank, backend, ...rest } = doubles ?? {};
  const engines = Array.from({ length: scenario.ranks }, (_, rank) => {
    const { arenaBytes } = classOfRank(scenario, rank);
    return new NativeEngine({ registry: ops, rank, device: device(rank), threads: 1, arenaBytes, ...rest });
  });
  try {
    const addons = engines.map(({ addon }) => addon);
    await meet(addons, { backend });
    const results = await Promise.all(engines.map(work));
    for (const engine of engines) await engine.close();
    return results;
  } catch (error) {
    // The others may wait for ever for the one that failed.
    for (const engine of engines) engine.addon.abort('another rank failed');
    throw error;
  }
}

/** The class of a global rank. */
export function classOfRank({ program }: NativeScenario, rank: number): RankClass {
  return program.classes[placeRanks(program).find((place) => place.rank === rank)!.classIndex];
}

/** One step of the engine's rank, which has met the others: inputs written, results read. */
export async function runRankStep(scenario: NativeScenario, engine: NativeEngine): Promise<RankBlocks> {
  const [rank] = engine.ranks;
  const rankClass = classOfRank(scenario, rank);
  const loaded = await loadWritten(scenario, engine);
  await loaded.run();
  const results = new Map<string, Float64Array>();
  for (const [name, index] of readableValues(rankClass)) {
    results.set(name, decode(rankClass.values[index].type.dtype, await loaded.read({ rank, name })));
  }
  return results;
}

/** The program on the engine's rank, inputs written. */
async function loadWritten(scenario: NativeScenario, engine: NativeEngine): Promise<LoadedProgram> {
  const { program, inputs } = scenario;
  const [rank] = engine.ranks;
  const loaded = await engine.load(program);
  const rankClass = classOfRank(scenario, rank);
  for (const { value, microbatch } of hostValues(rankClass, program.microbatches)) {
    const block = inputs[rank].get(instanceName(value.name, microbatch));
    const place = { rank, name: value.name, ...(microbatch === null ? {} : { microbatch }) };
    if (block) await loaded.write(place, encode(value.type.dtype, block));
  }
  return loaded;
}
