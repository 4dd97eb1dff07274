/** A scenario as far as partitioning takes it: no program. Its placed graphs can be run. */
import { nameOf, ownerOf, parameterRole, type Role } from '../../src/ir/role.js';
import { elementsOf } from '../../src/ir/type.js';
import { referenceKernels } from '../../src/ops/evaluate.js';
import { ops } from '../../src/ops/index.js';
import { checkPlacement } from '../../src/partition/check.js';
import { defaultCosts } from '../../src/partition/costs.js';
import { partition } from '../../src/partition/partition.js';
import type { Placement } from '../../src/partition/placement.js';
import type { PlacedGraphs } from '../../src/partition/place_graphs.js';
import { homesOf, segmentChunks, stepPlacement, updatePlacement } from '../../src/partition/placement.js';
import type { Mesh } from '../../src/ir/mesh.js';
import { bucketOfRole, tensorsIn, type Bucket } from '../../src/partition/buckets.js';
import { pack, unpack, type PackedTensor } from '../../src/partition/packing.js';
import { meshesOf } from '../../src/plan/plan.js';
import { gatherPlaced, runPlaced, type PlacedGiven, type PlacedRun } from './placed_executor.js';
import { inputValues, planOf, serialUpdate, type Scenario, type ScenarioOptions, type Values } from './scenario.js';

export interface PlacedScenario extends Pick<Scenario, 'plan' | 'inputs'> {
  readonly placed: PlacedGraphs;
}

/** Partitions and checks the graphs of a scenario; every parameter is updated by itself. */
export function placeScenario(options: ScenarioOptions): PlacedScenario {
  const { step, microbatches = 1 } = options;
  const update = serialUpdate(options);
  const plan = planOf(options);
  const costs = options.costs ?? defaultCosts();
  const place = (graph: typeof step, placement: Placement) => {
    const placed = partition(graph, ops, placement, costs).placed;
    const [fault] = checkPlacement(placed);
    if (fault) throw fault;
    return placed;
  };
  const base = stepPlacement(plan, step);
  const placed = place(step, { ...base, hint: options.hint ?? base.hint });
  const parameters = step.inputs.filter(({ kind }) => kind === 'parameter');
  const types = new Map(parameters.map(({ role, value }) => [ownerOf(role)!, step.values[value].type]));
  const second = update && place(update, updatePlacement(plan, placed, homesOf(plan, step), types));
  return { plan, placed: { step: placed, update: second, buckets: [] }, inputs: inputValues(options, microbatches) };
}

/** The placed graphs of a whole step: one run a microbatch, then the update on what they sum to. */
export function runPlacedStep({ plan, placed, inputs }: PlacedScenario): readonly PlacedRun[] {
  const kernels = referenceKernels(ops);
  const microbatches = Object.values(inputs).reduce(
    (n, value) => Math.max(n, value instanceof Float64Array ? 1 : value.length),
    1,
  );
  const at = (microbatch: number) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => [name, value instanceof Float64Array ? value : value[microbatch]]),
    );
  /** State as each group's record of a bucket says that it lies there. */
  const packed = (role: Role) => (group: number) => {
    const bucket = recordOf(placed.buckets, role, group)!;
    const given = tensorsIn(bucket, role).map((tensor) => memberGiven(inputs, tensor));
    return packGiven(meshesOf(plan)[group], bucket.members, given);
  };
  const stored = Object.fromEntries(
    placed.buckets.map(({ name }) => [nameOf(parameterRole(name)), packed(parameterRole(name))]),
  );
  const chunkOf = segmentChunks(plan);
  const runs: PlacedRun[] = [];
  for (let m = 0; m < microbatches; m++)
    runs.push(runPlaced(placed.step, { ...stored, ...at(m) }, kernels, { first: runs[0] ?? null, chunkOf }));
  if (!placed.update) return runs;
  const sums: Record<string, PlacedGiven> = {};
  for (const { name, value } of placed.step.outputs) {
    const add = (a: Float64Array, b: Float64Array) => a.map((x, i) => x + b[i]);
    sums[name] = {
      serial: runs.map((run) => run.serial[value]).reduce(add),
      blocks: runs.map((run) => run.blocks[value]).reduce((a, b) => a.map((block, rank) => add(block, b[rank]))),
    };
  }
  const state = placed.update.inputs.flatMap(({ role, name }) =>
    bucketOfRole(placed.buckets, role) && !sums[name] ? [[name, packed(role)] as const] : [],
  );
  return [...runs, runPlaced(placed.update, { ...at(0), ...sums, ...Object.fromEntries(state) }, kernels)];
}

/** A group's record of the bucket that a role is of. */
const recordOf = (buckets: readonly Bucket[], role: Role, group: number): Bucket | undefined =>
  bucketOfRole(
    buckets.filter((one) => one.group === group),
    role,
  );

/** What a run is given of a bucket's tensor: of its padding, zeros. */
const memberGiven = (inputs: Scenario['inputs'], { name, type, isPadding }: PackedTensor): PlacedGiven =>
  isPadding ? new Float64Array(elementsOf(type)) : (inputs[name] as Float64Array);

function packGiven(mesh: Mesh, members: readonly PackedTensor[], given: readonly PlacedGiven[]): PlacedGiven {
  const serial = pack(
    mesh,
    members,
    given.map((one) => (one instanceof Float64Array ? one : one.serial)),
  );
  const blocks = given.map((one) => (one instanceof Float64Array ? null : one.blocks));
  if (blocks.includes(null)) return serial;
  const joined = blocks[0]!.map((_, rank) => Float64Array.from(blocks.flatMap((of) => [...of![rank]])));
  return { serial, blocks: joined };
}

/** What the placed graphs of a whole step give, by name; of a bucket, what each group has of its members as its record says. */
export function placedResults(scenario: PlacedScenario): Values {
  const runs = runPlacedStep(scenario);
  const last = runs[runs.length - 1];
  const outputs = (scenario.placed.update ?? scenario.placed.step).outputs;
  if (scenario.placed.update)
    return Object.fromEntries(
      outputs.flatMap(({ role, name, value }): (readonly [string, Float64Array])[] => {
        const { group } = last.graph.values[value];
        const whole = gatherPlaced(last, value);
        const bucket = recordOf(scenario.placed.buckets, role, group);
        if (!bucket) return [[name, whole]];
        const wholes = unpack(meshesOf(scenario.plan)[group], bucket.members, whole);
        return tensorsIn(bucket, role).flatMap((tensor, k) =>
          tensor.isPadding
            ? []
            : [[group === bucket.home ? tensor.name : `${tensor.name} @${group}`, wholes[k]] as const],
        );
      }),
    );
  return Object.fromEntries(
    outputs.map(({ name, value }) => {
      const sum = new Float64Array(elementsOf(scenario.placed.step.values[value].type));
      for (const run of runs) gatherPlaced(run, value).forEach((x, i) => (sum[i] += x));
      return [name, sum];
    }),
  );
}
