/**
 * A step as one device would take it, in f64: every op of the placed graphs on whole values, moves being nothing. Where a value of the parallel
 * step is to be is what it comes to here.
 *
 * Beside each value go a few in which every number was changed at random, as rounding to its element type may change it: how far those are
 * from the exact one bounds what rounding does to the value, by the op that makes it and by all that it follows from.
 *
 * Source: Parker 1997, "Monte Carlo Arithmetic" (UCLA CSD-970002); Vignes 1993, on stochastic arithmetic.
 */
import { isFloat, type DType } from '../../ir/dtype.js';
import { roleKey, roleWith, type Role } from '../../ir/role.js';
import type { TensorType } from '../../ir/type.js';
import { globalSizes, type ReferenceKernels } from '../../ops/evaluate.js';
import { pack, unpack } from '../../partition/packing.js';
import type { PlacedGraphs } from '../../partition/place_graphs.js';
import type { PlacedGraph, PlacedId, PlacedOp, PlacedPack, PlacedStep, PlacedUnpack } from '../../partition/placed.js';
import { roundoff } from './roundoff.js';

/** A value of the serial step. */
export interface SerialValue {
  readonly graph: 'step' | 'update';
  readonly id: PlacedId;
  /** Scheduled microbatch; null for a sum over all of them, and in the update. */
  readonly microbatch: number | null;
  readonly exact: Float64Array;
  /** As rounding may leave it, several times. */
  readonly rounded: readonly Float64Array[];
}

/** What the host gives: whole values, row-major in the order of their factors. */
export interface SerialInputs {
  /** A parameter, a bucket of them or its state, as a group has it. */
  readonly stored: (role: Role, group: number) => Float64Array;
  readonly data: (name: string, microbatch: number, type: TensorType) => Float64Array;
  readonly scalar: (name: string) => number;
}

/** A value as it is, and as rounding may leave it: some times, since by chance once may change a single number too little. */
type Variants = readonly [exact: Float64Array, ...rounded: Float64Array[]];
const roundings = 3;

/** Each value as it is made, those of a microbatch one after the other, then the sums, then the update's. */
export function* serialStep(
  { step, update }: PlacedGraphs,
  microbatches: number,
  kernels: ReferenceKernels,
  inputs: SerialInputs,
): Generator<SerialValue> {
  const noise = new Noise();
  const summed = summedValues(step);
  const sums = new Map<PlacedId, Variants>();
  for (let microbatch = 0; microbatch < microbatches; microbatch++) {
    const values = new Map<PlacedId, Variants>();
    for (const { role, name, kind, value } of step.inputs) {
      const { type, group } = step.values[value];
      const exact =
        kind === 'data'
          ? inputs.data(name, microbatch, type)
          : kind === 'scalar'
            ? Float64Array.of(inputs.scalar(name))
            : inputs.stored(role, group);
      values.set(value, kind === 'parameter' ? noise.variants(exact, type.dtype) : same(exact));
    }
    for (const one of step.steps) {
      for (const id of take(step, one, values, kernels, noise))
        yield serialValue('step', id, microbatch, values.get(id)!);
    }
    for (const id of new Set(summed.values())) {
      const before = sums.get(id);
      const now = values.get(id)!;
      sums.set(id, before ? added(before, now) : now);
    }
  }
  for (const [id, variants] of sums) yield serialValue('step', id, null, variants);
  if (!update) return;
  const values = new Map<PlacedId, Variants>();
  for (const { role, name, kind, value } of update.inputs) {
    const { type, group } = update.values[value];
    const sum = summed.get(sumKey(group, role)) ?? summed.get(sumKey(null, role));
    if (sum !== undefined) values.set(value, sums.get(sum)!);
    else if (kind === 'scalar') values.set(value, same(Float64Array.of(inputs.scalar(name))));
    else values.set(value, noise.variants(inputs.stored(role, group), type.dtype));
  }
  for (const one of update.steps) {
    for (const id of take(update, one, values, kernels, noise)) yield serialValue('update', id, null, values.get(id)!);
  }
}

const serialValue = (
  graph: SerialValue['graph'],
  id: PlacedId,
  microbatch: number | null,
  [exact, ...rounded]: Variants,
): SerialValue => ({ graph, id, microbatch, exact, rounded });

/** What no rounding changes: data, scalars. */
const same = (exact: Float64Array): Variants => variantsOf(() => exact);

const variantsOf = (variant: (k: number) => Float64Array): Variants => [
  variant(0),
  ...Array.from({ length: roundings }, (_, k) => variant(k + 1)),
];

/**
 * What the step gives in each role, by group (and under no group, for whoever reads it elsewhere), and the members of what is packed: the
 * values that are summed over microbatches.
 */
export function summedValues(step: PlacedGraph): ReadonlyMap<string, PlacedId> {
  const found = new Map<string, PlacedId>();
  const packs = new Map(step.steps.flatMap((one) => (one.kind === 'pack' ? [[one.outputs[0], one] as const] : [])));
  const note = (role: Role, id: PlacedId) => {
    found.set(sumKey(step.values[id].group, role), id);
    if (!found.has(sumKey(null, role))) found.set(sumKey(null, role), id);
  };
  for (const { role, value } of step.outputs) {
    note(role, value);
    const packed = packs.get(value);
    packed?.inputs.forEach((id, k) => note(roleWith(role, packed.members[k].name), id));
  }
  return found;
}

export const sumKey = (group: number | null, role: Role): string => `${group} ${roleKey(role)}`;

const added = (a: Variants, b: Variants): Variants => variantsOf((k) => a[k].map((x, i) => x + b[k][i]));

/** Takes one step of a placed graph; gives what it makes. */
function take(
  graph: PlacedGraph,
  step: PlacedStep,
  values: Map<PlacedId, Variants>,
  kernels: ReferenceKernels,
  noise: Noise,
): readonly PlacedId[] {
  const operands = step.inputs.map((id) => values.get(id)!);
  if (step.kind === 'move' || step.kind === 'transfer') values.set(step.outputs[0], operands[0]);
  else {
    const results = Array.from({ length: 1 + roundings }, (_, k) =>
      resultsOf(
        graph,
        step,
        operands.map((one) => one[k]),
        kernels,
      ),
    );
    step.outputs.forEach((id, i) => {
      const { dtype } = graph.values[id].type;
      values.set(
        id,
        variantsOf((k) => (k === 0 ? results[k][i] : noise.on(results[k][i], dtype))),
      );
    });
  }
  return step.outputs;
}

function resultsOf(
  { meshes, values }: PlacedGraph,
  step: PlacedOp | PlacedPack | PlacedUnpack,
  inputs: readonly Float64Array[],
  kernels: ReferenceKernels,
): readonly Float64Array[] {
  if (step.kind === 'pack') return [pack(meshes[step.group], step.members, inputs)];
  if (step.kind === 'unpack') return unpack(meshes[step.group], step.members, inputs[0]);
  const types = (ids: readonly PlacedId[]) => ids.map((id) => widest(values[id].type.dtype));
  const { op, rule, attributes } = step;
  const launch = { op, rule, attributes, sizes: globalSizes(rule), origins: {} };
  return kernels({ ...launch, operandTypes: types(step.inputs), resultTypes: types(step.outputs), inputs });
}

const widest = (dtype: DType): DType => (isFloat(dtype) ? 'f64' : dtype);

/** Rounding in a few places at once: kernels add up in parts, and take functions from tables. */
const strength = 2;

/** Numbers changed at random, the same in every comparison. */
class Noise {
  #state = 1;

  variants(exact: Float64Array, dtype: DType): Variants {
    return variantsOf((k) => (k === 0 ? exact : this.on(exact, dtype)));
  }

  on(values: Float64Array, dtype: DType): Float64Array {
    const size = roundoff[dtype];
    if (size === undefined) return values;
    return values.map((x) => x * (1 + strength * size * this.#next()));
  }

  /** In [−1, 1): the upper bits of Lehmer's generator (Park and Miller 1988). */
  #next(): number {
    this.#state = (this.#state * 48271) % 2147483647;
    return this.#state / 1073741823.5 - 1;
  }
}
