/** A scenario compiled and run with a fault in it. One device has none. */
import { classRequests } from '../../../src/lower/class_requests.js';
import { lowerGroups, type LoweredProgram } from '../../../src/lower/lower_groups.js';
import { execute, loadClasses, scatterValues } from '../../../src/engine/reference/index.js';
import type { LoadedClass } from '../../../src/engine/reference/virtual_rank.js';
import type { Graph } from '../../../src/ir/graph.js';
import type { OpRegistry } from '../../../src/ir/op.js';
import { kernelsOf } from '../../../src/kernels/target.js';
import { referenceKernels } from '../../../src/ops/evaluate.js';
import { ops } from '../../../src/ops/index.js';
import { placeGraphs, type PlacedGraphs } from '../../../src/partition/place_graphs.js';
import { expectProved, type SourceGraphs } from '../../../src/partition/prove.js';
import { tableOf } from '../../../src/plan/plan_schedule.js';
import type { Program } from '../../../src/program/program.js';
import { unroll } from '../../../src/program/unroll.js';
import { lowerMove } from '../../../src/reshard/lower.js';
import { splitChunks } from '../../../src/schedule/slot.js';
import {
  graphOptionsOf,
  inputValues,
  parametersOf,
  planOf,
  runSerial,
  type Scenario,
  type ScenarioOptions,
} from '../../scenarios/scenario.js';
import { gatherValues } from '../../../src/engine/reference/shards.js';
import type { Plant } from './plant.js';

export interface PlantedScenario extends Scenario {
  /** The placed graphs before the fault was put into them. */
  readonly meaning: PlacedGraphs;
  readonly registry: OpRegistry;
  /** What the placed graphs were made of. */
  readonly sources: SourceGraphs;
  /** False where this program has no place for the fault. */
  readonly hasFault: boolean;
}

export function buildPlanted(given: ScenarioOptions, plant: Plant): PlantedScenario {
  const registry = withRule(plant);
  const options: ScenarioOptions = {
    ...given,
    step: ruled(given.step, plant),
    update: given.update && ((parameters) => ruled(given.update!(parameters), plant)),
  };
  const plan = planOf(options);
  const table = tableOf(plan);
  const request = { ...graphOptionsOf(options, plan), registry, kernels: kernelsOf('reference', registry) };
  let sources: SourceGraphs | null = null;
  const meaning = placeGraphs(
    { ...request, split: splitChunks(table) },
    parametersOf(options.step),
    options.step,
    options.update,
    (graphs, made, asked) => {
      sources = graphs;
      expectProved(graphs, made, asked);
    },
  );
  const placed = { ...meaning, ...plant.graphs?.(meaning, plan) };
  const isEdited = placed.step !== meaning.step || placed.update !== meaning.update;
  const lowered = lowerGroups({ plan }, classRequests(request, placed, table));
  const program = (plant.program?.(lowered) ?? lowered) as LoweredProgram;
  const microbatches = options.microbatches ?? 1;
  const inputs = inputValues(given, microbatches);
  const right = referenceKernels(ops);
  const { kernel } = plant;
  const kernels: typeof right = kernel ? (launch) => kernel(launch, right) : right;
  return {
    name: given.name ?? given.step.name,
    plan,
    graphs: { step: given.step, update: given.update },
    placed,
    meaning,
    registry,
    sources: sources!,
    hasFault: !plant.graphs || isEdited,
    program,
    inputs,
    serial: () => runSerial(given, inputs, microbatches),
    parallel: (more = {}) =>
      execute(program, {
        kernels,
        loaded: loadedWith(program, plant),
        inputs: scatterValues(program, inputs),
        ...more,
      }),
    gather: (execution) => gatherValues(program, execution.values),
  };
}

/** The ops, each with the rule that it is said to have. */
function withRule({ rule }: Plant): OpRegistry {
  if (!rule) return ops;
  return new Map(
    [...ops].map(([name, op]) => [
      name,
      {
        ...op,
        bind: (call) => {
          const bound = op.bind(call);
          return { ...bound, rule: rule(name, bound.rule) };
        },
      },
    ]),
  );
}

const ruled = (graph: Graph, { rule }: Plant): Graph =>
  rule ? { ...graph, nodes: graph.nodes.map((node) => ({ ...node, rule: rule(node.op, node.rule) })) } : graph;

/** The classes of a program, where ranks do something else for a move. */
function loadedWith(program: Program, { move }: Plant): readonly LoadedClass[] {
  const loaded = loadClasses(program);
  if (!move) return loaded;
  for (const { rankClass, moves } of loaded) {
    const { mesh } = program.groups[rankClass.group];
    for (const { instruction } of unroll(rankClass)) {
      if (!('move' in instruction) || moves.has(instruction.move)) continue;
      const { move: one, global } = instruction;
      moves.set(
        one,
        rankClass.members.map((at) => move(lowerMove(mesh, global, one, at), one)),
      );
    }
  }
  return loaded;
}
