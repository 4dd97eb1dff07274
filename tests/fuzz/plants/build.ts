/** A scenario compiled and run with a fault in it. One device has none. */
import { classRequests } from '../../../src/lower/class_requests.js';
import { lowerGroups, type LoweredProgram } from '../../../src/lower/lower_groups.js';
import { execute, loadClasses, scatterValues } from '../../../src/engine/reference/index.js';
import type { LoadedClass } from '../../../src/engine/reference/virtual_rank.js';
import type { Graph } from '../../../src/ir/graph.js';
import type { OpRegistry } from '../../../src/ir/op.js';
import { ruleText, type OpRule } from '../../../src/ir/rule.js';
import { kernelsOf } from '../../../src/kernels/target.js';
import { referenceKernels, type ReferenceKernels } from '../../../src/ops/evaluate.js';
import { ops } from '../../../src/ops/index.js';
import { placeGraphs, type PlacedGraphs } from '../../../src/partition/place_graphs.js';
import { expectProved, type SourceGraphs } from '../../../src/partition/prove.js';
import { tableOf } from '../../../src/plan/plan_schedule.js';
import type { Program } from '../../../src/program/program.js';
import { instructionsOf, unroll } from '../../../src/program/unroll.js';
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
  /** False where there is nothing that the fault could change: a run would show nothing. */
  readonly mayShow: boolean;
  /** Whether the fault has changed anything: a rule, a graph, a program or a move as soon as it is built; what a kernel gives once it has run. */
  readonly hasFault: () => boolean;
}

export function buildPlanted(given: ScenarioOptions, plant: Plant): PlantedScenario {
  const changes = new Changes();
  const registry = withRule(plant, changes);
  const options: ScenarioOptions = {
    ...given,
    step: ruled(given.step, plant, changes),
    update: given.update && ((parameters) => ruled(given.update!(parameters), plant, changes)),
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
  changes.note(placed.step !== meaning.step || placed.update !== meaning.update);
  const lowered = lowerGroups({ plan }, classRequests(request, placed, table));
  const program = (plant.program?.(lowered) ?? lowered) as LoweredProgram;
  changes.note(program !== lowered);
  const loaded = loadedWith(program, plant, changes);
  const microbatches = options.microbatches ?? 1;
  const inputs = inputValues(given, microbatches);
  const kernels = withKernel(plant, changes);
  return {
    name: given.name ?? given.step.name,
    plan,
    graphs: { step: given.step, update: given.update },
    placed,
    meaning,
    registry,
    sources: sources!,
    mayShow: plant.kernel ? hasInstruction(program, plant.at) : changes.any,
    hasFault: () => changes.any,
    program,
    inputs,
    serial: () => runSerial(given, inputs, microbatches),
    parallel: (more = {}) =>
      execute(program, {
        kernels,
        loaded,
        inputs: scatterValues(program, inputs),
        ...more,
      }),
    gather: (execution) => gatherValues(program, execution.values),
  };
}

const hasInstruction = (program: Program, fits: NonNullable<Plant['at']> = () => true): boolean =>
  program.classes
    .flatMap(({ templates }) => templates.flatMap(instructionsOf))
    .some((instruction) => instruction.kind === 'kernel' && fits(instruction));

/** Whether a fault has a place in what is tried. */
class Changes {
  any = false;

  note(isChanged: boolean): void {
    this.any ||= isChanged;
  }
}

/** The ops, each with the rule that it is said to have. */
function withRule({ rule }: Plant, changes: Changes): OpRegistry {
  if (!rule) return ops;
  return new Map(
    [...ops].map(([name, op]) => [
      name,
      {
        ...op,
        bind: (call) => {
          const bound = op.bind(call);
          return { ...bound, rule: said(rule, name, bound.rule, changes) };
        },
      },
    ]),
  );
}

const ruled = (graph: Graph, { rule }: Plant, changes: Changes): Graph =>
  rule
    ? { ...graph, nodes: graph.nodes.map((node) => ({ ...node, rule: said(rule, node.op, node.rule, changes) })) }
    : graph;

function said(rule: NonNullable<Plant['rule']>, op: string, right: OpRule, changes: Changes): OpRule {
  const wrong = rule(op, right);
  changes.note(wrong !== right && ruleText(wrong) !== ruleText(right));
  return wrong;
}

/** What ranks compute. */
function withKernel({ kernel }: Plant, changes: Changes): ReferenceKernels {
  const right = referenceKernels(ops);
  if (!kernel) return right;
  return (launch) => {
    let given: readonly Float64Array[] | null = null;
    const results = kernel(launch, (asked) => {
      const found = right(asked);
      if (asked === launch) given = found;
      return found;
    });
    // What was passed on as it came is what it should be.
    const isSame = (expected: readonly Float64Array[]) => results.every((one, i) => one === expected[i]);
    if (changes.any || (given && isSame(given))) return results;
    const expected = right(launch);
    changes.note(results.some((one, i) => one.some((x, k) => !Object.is(x, expected[i][k]))));
    return results;
  };
}

/** The classes of a program, where ranks do something else for a move. */
function loadedWith(program: Program, { move }: Plant, changes: Changes): readonly LoadedClass[] {
  const loaded = loadClasses(program);
  if (!move) return loaded;
  for (const { rankClass, moves } of loaded) {
    const { mesh } = program.groups[rankClass.group];
    for (const { instruction } of unroll(rankClass)) {
      if (!('move' in instruction) || moves.has(instruction.move)) continue;
      const { move: one, global } = instruction;
      const right = rankClass.members.map((at) => lowerMove(mesh, global, one, at));
      const wrong = right.map((lowered) => move(lowered, one));
      changes.note(wrong.some((lowered, i) => lowered !== right[i]));
      moves.set(one, wrong);
    }
  }
  return loaded;
}
