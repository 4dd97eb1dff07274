/**
 * A scenario: a training step's graphs, a plan, and values for its inputs; compiled to a program by the real passes and run both ways.
 *
 *   serial    one device: the step graph evaluated for each microbatch, its outputs summed, the update graph evaluated once
 *   parallel  the program, on as many virtual ranks as the plan has
 */
import type { Graph, GraphInput } from '../../src/ir/graph.js';
import { isFloat, type DType } from '../../src/ir/dtype.js';
import { gradientRole, inRole, ownerOf } from '../../src/ir/role.js';
import { elementsOf } from '../../src/ir/type.js';
import {
  execute,
  gatherValues,
  loadClasses,
  scatterValues,
  type ExecuteOptions,
  type Execution,
} from '../../src/engine/reference/index.js';
import { evaluate, referenceKernels } from '../../src/ops/evaluate.js';
import { ops } from '../../src/ops/index.js';
import { roundTo } from '../../src/ops/round.js';
import type { PartitionCosts } from '../../src/partition/costs.js';
import type { Placement } from '../../src/partition/placement.js';
import { compileGraphs } from '../../src/compile/compile.js';
import type { GraphOptions } from '../../src/compile/place_classes.js';
import type { ChosenGraphs } from '../../src/partition/place_graphs.js';
import type { Target } from '../../src/kernels/target.js';
import type { AssignMemoryOptions } from '../../src/memory/assign_memory.js';
import type { UpdateRecipe } from '../../src/optim/update.js';
import { pipelineOf, planVersion, type Plan, type PlannedChoices } from '../../src/plan/plan.js';
import type { LoweredClass } from '../../src/lower/lower_class.js';
import type { Program } from '../../src/program/program.js';
import { tableOf } from '../../src/plan/plan_schedule.js';

/** The graphs of a training step. */
export interface StepGraphs {
  /** Forward and backward of one scheduled microbatch; its outputs are summed over microbatches. */
  readonly step: Graph;
  /** What runs once, on those sums (inputs of kind `value`, by the names of the step's outputs); null: nothing. */
  readonly update: UpdateRecipe | null;
}

export interface ScenarioOptions extends StepGraphs {
  readonly name?: string;
  /** Whose kernels it is compiled for: they decide what is decomposed and who has workspace. Default: the reference engine's. */
  readonly target?: Target;
  /** The mesh of the only group, or a pipeline. Default: one device. */
  readonly mesh?: Readonly<Record<string, number>>;
  readonly pipeline?: Pick<Plan, 'groups' | 'chunks'>;
  /** Factor → axes, as in {@link Plan.split}. */
  readonly split?: Readonly<Record<string, readonly string[]>>;
  readonly bounds?: Readonly<Record<string, readonly number[]>>;
  readonly contextMethod?: Plan['context_method'];
  readonly contextOrder?: Plan['context_order'];
  readonly zero?: Plan['zero'];
  /** In which gradients are reduced. */
  readonly reduce?: Plan['precision']['reduce'];
  readonly scopes?: Plan['scopes'];
  readonly schedule?: string;
  /** The slots of each group, of a schedule that is written out. */
  readonly table?: Plan['schedule']['table'];
  readonly microbatches?: number;
  /** What the partitioner prices its choices by. Any prices give a right program. */
  readonly costs?: PartitionCosts;
  /** Splits that are fixed for ops of the step. */
  readonly hint?: Placement['hint'];
  /** What is fixed of what would be chosen. */
  readonly choices?: PlannedChoices;
  /** How long memory planning may search. */
  readonly memory?: AssignMemoryOptions;
  /** The value of one element of an input; null leaves it to the default (see {@link defaultElement}). */
  element?(input: GraphInput, index: number, microbatch: number): number | null;
}

/** The update of every parameter by itself: what one device does. */
export const serialUpdate = ({ step, update }: StepGraphs): Graph | null => update?.(parametersOf(step)) ?? null;

export type Values = Readonly<Record<string, Float64Array>>;

export interface Scenario {
  readonly name: string;
  readonly plan: Plan;
  readonly graphs: StepGraphs;
  readonly placed: ChosenGraphs;
  readonly program: Program & { readonly classes: readonly LoweredClass[] };
  /** Global inputs: an array for each persistent value, one a microbatch for data. */
  readonly inputs: Readonly<Record<string, Float64Array | readonly Float64Array[]>>;
  /** Results on one device, by name: sums of the step's outputs where there is no update, else what the update gives. */
  serial(): Values;
  /** One step on virtual ranks. */
  parallel(options?: Partial<ExecuteOptions>): Execution;
  /** The global values that a run left, by name. */
  gather(execution: Execution): Values;
}

/** How a scenario under its plan is compiled. */
export const graphOptionsOf = (
  { target = 'reference', costs, hint, choices, memory }: ScenarioOptions,
  plan: Plan,
): GraphOptions => ({ plan, registry: ops, target, costs, hint, choices, memory });

export function buildScenario(options: ScenarioOptions): Scenario {
  const { step, update, microbatches = 1 } = options;
  const plan = planOf(options);
  const { program, placed } = compileGraphs(
    graphOptionsOf(options, plan),
    { parameters: parametersOf(step) },
    step,
    update,
    tableOf(plan),
  );
  const inputs = inputValues(options, microbatches);
  const kernels = referenceKernels(ops);
  const loaded = loadClasses(program);
  return {
    name: options.name ?? step.name,
    plan,
    graphs: { step, update },
    placed,
    program,
    inputs,
    serial: () => runSerial(options, inputs, microbatches),
    parallel: (given = {}) => execute(program, { kernels, loaded, inputs: scatterValues(program, inputs), ...given }),
    gather: (execution) => gatherValues(program, execution.values),
  };
}

/** One device: what every parallel run must equal. */
export function runSerial(graphs: StepGraphs, inputs: Scenario['inputs'], microbatches: number): Values {
  const { step } = graphs;
  const update = serialUpdate(graphs);
  const kernels = referenceKernels(ops);
  const at = (graph: Graph, microbatch: number, more: Values = {}) =>
    Object.fromEntries(
      graph.inputs.map(({ name, kind }): [string, Float64Array] => {
        const value = kind === 'value' ? more[name] : inputs[name];
        return [name, value instanceof Float64Array ? value : value[microbatch]];
      }),
    );
  const sums: Record<string, Float64Array> = {};
  for (let microbatch = 0; microbatch < microbatches; microbatch++) {
    const { outputs } = evaluate(step, at(step, microbatch), kernels);
    for (const { name, value } of step.outputs) {
      const { dtype } = step.values[value].type;
      const sum = (sums[name] ??= new Float64Array(outputs[name].length));
      for (let i = 0; i < sum.length; i++) sum[i] += outputs[name][i];
      roundTo(dtype, sum);
    }
  }
  return update ? evaluate(update, at(update, 0, sums), kernels).outputs : sums;
}

export function planOf(options: ScenarioOptions): Plan {
  const { step, mesh = {}, split = {}, bounds = {}, microbatches = 1, schedule = 'gpipe', table = null } = options;
  const segments = [...new Set(step.nodes.map((node) => node.source.segment))];
  return {
    flotilla_plan: planVersion,
    model: { name: options.name ?? step.name, hash: '' },
    ...(options.pipeline ?? pipelineOf([{ segments, mesh }])),
    schedule: { kind: schedule, microbatches, table },
    batch: { logical_microbatches: 1, sequences: 1, padding: 0 },
    split,
    ...(options.contextMethod && { context_method: options.contextMethod }),
    ...(options.contextOrder && { context_order: options.contextOrder }),
    bounds,
    scopes: options.scopes ?? [],
    zero: options.zero ?? { stage: 0, axes: ['data'] },
    precision: { compute: 'f64', master: 'f64', ...(options.reduce && { reduce: options.reduce }) },
    predicted: null,
  };
}

export const parametersOf = (step: Graph) =>
  step.inputs
    .filter(({ kind }) => kind === 'parameter')
    .map(({ role, value }) => ({
      name: ownerOf(role)!,
      type: step.values[value].type,
      gradient: gradientDtype(step, ownerOf(role)!),
      init: { kind: 'zeros' as const },
    }));

const gradientDtype = (step: Graph, parameter: string): DType | undefined => {
  const given = inRole(step.outputs, gradientRole(parameter));
  return given && step.values[given.value].type.dtype;
};

export function inputValues(options: ScenarioOptions, microbatches: number): Scenario['inputs'] {
  const values: Record<string, Float64Array | Float64Array[]> = {};
  for (const graph of [options.step, serialUpdate(options)]) {
    for (const input of graph?.inputs ?? []) {
      if (input.kind === 'value' || values[input.name]) continue;
      const { type } = graph!.values[input.value];
      const make = (microbatch: number) => {
        const element = (index: number) =>
          options.element?.(input, index, microbatch) ?? defaultElement(input, type.dtype, index, microbatch);
        return roundTo(
          type.dtype,
          Float64Array.from({ length: elementsOf(type) }, (_, i) => element(i)),
        );
      };
      values[input.name] = input.kind === 'data' ? Array.from({ length: microbatches }, (_, m) => make(m)) : make(0);
    }
  }
  return values;
}

/**
 * Values by name and element index, so that shrinking a size keeps the others. Floats in (-1, 1), state in (0, 1) (second moments are not
 * negative), scalars in (0, 1), integers 0 to 3.
 */
export function defaultElement({ name, kind }: GraphInput, dtype: DType, index: number, microbatch: number): number {
  const u = uniform(`${name} ${index} ${microbatch}`);
  if (!isFloat(dtype)) return Math.floor(u * 4);
  return kind === 'state' || kind === 'scalar' ? u : 2 * u - 1;
}

/** A number in [0, 1) from text: FNV-1a, mixed as in MurmurHash3. */
export function uniform(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

/** Where two sets of values differ by more than `relative` of the tensor's norm; empty where they agree. */
export function differences(expected: Values, actual: Values, relative: number): readonly string[] {
  return Object.entries(expected).flatMap(([name, want]) => {
    const got = actual[name];
    if (!got) return [`${name} is missing`];
    const norm = Math.hypot(...want);
    const delta = Math.hypot(...want.map((x, i) => x - got[i]));
    return delta <= relative * norm ? [] : [`${name}: ‖Δ‖ = ${delta}, ‖serial‖ = ${norm}`];
  });
}

/** The name of a value whose bits differ, and NaN from NaN does not; null where all agree. */
export function differentBits(expected: Values, actual: Values): string | null {
  const names = Object.keys(expected);
  if (names.join() !== Object.keys(actual).join()) return `the names ${names.join()} and ${Object.keys(actual).join()}`;
  return names.find((name) => !expected[name].every((x, i) => Object.is(x, actual[name][i]))) ?? null;
}
