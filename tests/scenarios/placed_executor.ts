/**
 * Runs a placed graph as it stands: every step on every rank's blocks, in the graph's order, with no program, lanes or memory between.
 *
 * Beside the blocks it keeps each value as one device would have it. Put together by its layout, a value must be that; the first one
 * that is not names the step that is wrong.
 */
import { coordinatesOf, meshRanks } from '../../src/ir/mesh.js';
import { splitOf } from '../../src/ir/rule.js';
import { elementsOf, printType } from '../../src/ir/type.js';
import { localType, printLayout, rangeOf } from '../../src/ir/layout.js';
import type { ReferenceKernels } from '../../src/ops/evaluate.js';
import { globalSizes, type ReferenceLaunch } from '../../src/ops/launch.js';
import { instanceOf } from '../../src/plan/scope.js';
import { pack, unpack } from '../../src/partition/packing.js';
import {
  describeStep,
  makersOf,
  scopeOf,
  type PlacedGraph,
  type PlacedId,
  type PlacedOp,
  type PlacedPack,
  type PlacedStep,
  type PlacedUnpack,
} from '../../src/partition/placed.js';
import {
  printElement,
  runMove,
  runTransfers,
  shard,
  tileTransfers,
  unshard,
  type Blocks,
} from '../../src/reshard/index.js';
import { roundTo } from '../../src/ops/round.js';

export interface PlacedRun {
  readonly graph: PlacedGraph;
  /** Placed value → one block a rank of its group. */
  readonly blocks: readonly Blocks[];
  /** Placed value → what one device has. */
  readonly serial: readonly Float64Array[];
}

/** What an input holds: the whole value, or for what an earlier graph left on the ranks, both sides of it. */
export type PlacedGiven = Float64Array | { readonly serial: Float64Array; readonly blocks: Blocks };

/** By input name; of a bucket that groups may hold in orders of their own, by group. */
export type PlacedInputs = Readonly<Record<string, PlacedGiven | ((group: number) => PlacedGiven)>>;

/** How long values last. */
export interface Lasting {
  /** The first microbatch's run, which has made what is made once a step; null: this is the first. */
  readonly first: PlacedRun | null;
  readonly chunkOf: (segment: string) => number;
}

/**
 * Runs the graph. A value that several groups store is given once. `lasting`: values are what is left of them where
 * they are read, NaN outside the instance of their scope; without it all last.
 */
export function runPlaced(
  graph: PlacedGraph,
  given: PlacedInputs,
  kernels: ReferenceKernels,
  lasting?: Lasting,
): PlacedRun {
  const blocks: Blocks[] = [];
  const serial: Float64Array[] = [];
  for (const { name, value } of graph.inputs) {
    const { type, layout, group } = graph.values[value];
    const found = given[name];
    if (!found) throw new Error(`input '${name}' is not given`);
    const input = typeof found === 'function' ? found(group) : found;
    serial[value] = input instanceof Float64Array ? input : input.serial;
    blocks[value] = input instanceof Float64Array ? shard(graph.meshes[group], type, layout, input) : input.blocks;
  }
  const makers = makersOf(graph);
  for (const step of graph.steps) {
    if (lasting?.first && scopeOf(graph, step) === 'step') {
      for (const id of step.outputs) [blocks[id], serial[id]] = [lasting.first.blocks[id], lasting.first.serial[id]];
      continue;
    }
    const gone = step.inputs.filter((id) => {
      const maker = makers.get(id);
      if (!lasting || !maker) return false;
      const [made, read] = [maker, step].map(({ source }) =>
        instanceOf(graph.values[id].scope, source, lasting.chunkOf),
      );
      return made !== read;
    });
    const there = gone.length > 0 ? [...blocks] : blocks;
    for (const id of gone) there[id] = remains(blocks[id]);
    runStep(graph, step, there, serial, kernels);
    for (const id of step.outputs) blocks[id] = there[id];
  }
  if (!lasting) return { graph, blocks, serial };
  for (const { value } of graph.outputs) {
    const { scope } = graph.values[value];
    if (scope !== 'microbatch' && scope !== 'step') blocks[value] = remains(blocks[value]);
  }
  return { graph, blocks, serial };
}

/** Somebody else's bytes. */
const remains = (blocks: Blocks): Blocks => blocks.map((block) => new Float64Array(block.length).fill(NaN));

function runStep(
  graph: PlacedGraph,
  step: PlacedStep,
  blocks: Blocks[],
  serial: Float64Array[],
  kernels: ReferenceKernels,
): void {
  if (step.kind === 'op') return runOp(graph, step, blocks, serial, kernels);
  if (step.kind === 'pack' || step.kind === 'unpack') return runBucket(graph, step, blocks, serial);
  const [input, output] = [step.inputs[0], step.outputs[0]];
  const { type } = graph.values[input];
  serial[output] = serial[input];
  if (step.kind === 'move') {
    const round = (x: number) => roundTo(type.dtype, Float64Array.of(x))[0];
    blocks[output] = runMove(graph.meshes[step.group], type, step.move, blocks[input], round);
  } else {
    const [source, destination] = [graph.meshes[step.fromGroup], graph.meshes[step.group]];
    const [from, to] = [graph.values[input].layout, graph.values[output].layout];
    const tiles = tileTransfers(source, from, destination, to, type);
    blocks[output] = runTransfers(tiles, blocks[input], destination, to, type);
  }
}

/** A bucket is its members' blocks, one behind the other. */
function runBucket(
  graph: PlacedGraph,
  { kind, members, inputs, outputs, group }: PlacedPack | PlacedUnpack,
  blocks: Blocks[],
  serial: Float64Array[],
): void {
  const mesh = graph.meshes[group];
  if (kind === 'pack') {
    serial[outputs[0]] = pack(
      mesh,
      members,
      inputs.map((id) => serial[id]),
    );
    blocks[outputs[0]] = Array.from({ length: meshRanks(mesh) }, (_, rank) =>
      Float64Array.from(inputs.flatMap((id) => [...blocks[id][rank]])),
    );
    return;
  }
  const wholes = unpack(mesh, members, serial[inputs[0]]);
  let start = new Array<number>(meshRanks(mesh)).fill(0);
  outputs.forEach((id, k) => {
    const { type, layout } = graph.values[id];
    serial[id] = wholes[k];
    const sizes = start.map((_, rank) => elementsOf(localType(mesh, type, layout, coordinatesOf(mesh, rank))));
    blocks[id] = start.map((from, rank) => blocks[inputs[0]][rank].slice(from, from + sizes[rank]));
    start = start.map((from, rank) => from + sizes[rank]);
  });
}

/** An output of a run, put together. */
export function gatherPlaced({ graph, blocks }: PlacedRun, value: PlacedId): Float64Array {
  const { type, layout, group } = graph.values[value];
  return unshard(graph.meshes[group], type, layout, blocks[value]);
}

/** The first value that differs by more than `relative` of its norm from what one device has, and the step that made it; or null. */
export function firstDeparture(run: PlacedRun, relative = 1e-7): string | null {
  const { graph, serial } = run;
  for (const [i, step] of graph.steps.entries()) {
    for (const output of step.outputs) {
      const { name, type, layout } = graph.values[output];
      const say = (what: string) =>
        [
          `${name}${what}`,
          `made by %${output} = ${describeStep(step)}(${step.inputs.map((id) => `%${id}`).join(', ')}) : ` +
            `${printType(type)} ${printLayout(layout, type)}  ; ${step.source.path || 'model'}, ${step.source.phase}, step ${i}`,
          ...step.inputs.map(
            (id) => `        %${id} : ${printType(graph.values[id].type)} ${printLayout(graph.values[id].layout)}`,
          ),
        ].join('\n');
      let together: Float64Array;
      try {
        together = gatherPlaced(run, output);
      } catch (error) {
        return say(`  ${(error as Error).message.split('\n')[0]}`);
      }
      const at = departure(serial[output], together, relative);
      if (at !== null) return say(`${printElement(type, at)}  serial ${serial[output][at]}  parallel ${together[at]}`);
    }
  }
  return null;
}

function departure(expected: Float64Array, actual: Float64Array, relative: number): number | null {
  const limit = relative * Math.hypot(...expected.filter(Number.isFinite)) + 1e-12;
  const at = expected.findIndex((x, i) => !Object.is(x, actual[i]) && !(Math.abs(x - actual[i]) <= limit));
  return at < 0 ? null : at;
}

function runOp(
  graph: PlacedGraph,
  { op, rule, attributes, assignment, inputs, outputs, group }: PlacedOp,
  blocks: Blocks[],
  serial: Float64Array[],
  kernels: ReferenceKernels,
): void {
  const mesh = graph.meshes[group];
  const launch: ReferenceLaunch = {
    op,
    rule,
    attributes,
    sizes: globalSizes(rule),
    origins: {},
    operandTypes: inputs.map((id) => graph.values[id].type.dtype),
    resultTypes: outputs.map((id) => graph.values[id].type.dtype),
    inputs: inputs.map((id) => serial[id]),
  };
  const whole = kernels(launch);
  outputs.forEach((id, i) => (serial[id] = whole[i]));
  const ranks = Array.from({ length: meshRanks(mesh) }, (_, rank) => {
    const at = coordinatesOf(mesh, rank);
    const ranges = Object.entries(rule.factors).map(
      ([name, { size }]) => [name, rangeOf(mesh, splitOf(rule, assignment, name), size, at)] as const,
    );
    return kernels({
      ...launch,
      sizes: Object.fromEntries(ranges.map(([name, [from, to]]) => [name, to - from])),
      origins: Object.fromEntries(
        ranges.flatMap(([name, [from]]) => (rule.origins.includes(name) ? [[name, from]] : [])),
      ),
      inputs: inputs.map((id) => blocks[id][rank]),
    });
  });
  outputs.forEach((id, i) => (blocks[id] = ranks.map((results) => results[i])));
}
