/**
 * A step as one device would take it, in f64: every op of the placed graphs on whole values, moves being nothing. Where a value of the parallel
 * step is to be is what it comes to here.
 *
 * What is known of a value already, since another engine has taken the step serially, is not computed again. Only what is asked for is
 * computed, and what that follows from.
 */
import { isFloat, type DType } from '../../ir/dtype.js';
import type { Role } from '../../ir/role.js';
import type { TensorType } from '../../ir/type.js';
import type { ReferenceKernels } from '../../ops/evaluate.js';
import { globalSizes } from '../../ops/launch.js';
import { pack, unpack } from '../../partition/packing.js';
import type { PlacedGraphs } from '../../partition/place_graphs.js';
import {
  makersOf,
  type PlacedGraph,
  type PlacedId,
  type PlacedOp,
  type PlacedPack,
  type PlacedStep,
  type PlacedUnpack,
} from '../../partition/placed.js';
import type { Rounding, Variants } from './rounding.js';
import { sumKey, summedValues } from './summed_values.js';

/** Which value of the placed graphs: of a scheduled microbatch; null for a sum over all of them, and in the update. */
export interface ValueOfStep {
  readonly graph: 'step' | 'update';
  readonly id: PlacedId;
  readonly microbatch: number | null;
}

export interface SerialValue extends ValueOfStep {
  readonly variants: Variants;
}

/** What the host gives: whole values, row-major in the order of their factors. */
export interface SerialInputs {
  /** A parameter, a bucket of them or its state, as a group has it. */
  readonly stored: (role: Role, group: number) => Float64Array;
  readonly data: (name: string, microbatch: number, type: TensorType) => Float64Array;
  readonly scalar: (name: string) => number;
}

export interface SerialRequest {
  readonly placed: PlacedGraphs;
  readonly microbatches: number;
  readonly kernels: ReferenceKernels;
  readonly inputs: SerialInputs;
  readonly rounding: Rounding;
  /** Values that are wanted. */
  readonly wants: (value: ValueOfStep) => boolean;
  /** Null where nothing is known. */
  readonly known: (value: ValueOfStep) => Variants | null;
}

/** Each value that is wanted, those of a microbatch one after the other, then the sums, then the update's. */
export function* serialStep(request: SerialRequest): Generator<SerialValue> {
  const { placed, microbatches, wants, known, rounding } = request;
  const { step, update } = placed;
  const summed = summedValues(step);
  const sums = new Map<PlacedId, Variants>();
  for (const id of new Set(summed.values())) {
    const sum = known({ graph: 'step', id, microbatch: null });
    if (sum) sums.set(id, sum);
  }
  const open = [...new Set(summed.values())].filter((id) => !sums.has(id));
  for (let microbatch = 0; microbatch < microbatches; microbatch++) {
    const values = new Values(request, 'step', microbatch, (role, name, type, group) => {
      if (role.kind === 'data') return rounding.none(request.inputs.data(name, microbatch, type));
      return givenAs(request, role, type, group);
    });
    yield* values.wanted(step, wants);
    for (const id of open) {
      const before = sums.get(id);
      const now = values.of(id);
      sums.set(id, before ? rounding.each((k) => before[k].map((x, i) => x + now[k][i])) : now);
    }
  }
  for (const [id, variants] of sums) yield { graph: 'step', id, microbatch: null, variants };
  if (!update) return;
  const values = new Values(request, 'update', null, (role, _, type, group) => {
    const id = summed.get(sumKey(group, role)) ?? summed.get(sumKey(null, role));
    return id === undefined ? givenAs(request, role, type, group) : sums.get(id)!;
  });
  yield* values.wanted(update, wants);
}

function givenAs({ inputs, rounding }: SerialRequest, role: Role, type: TensorType, group: number): Variants {
  if (role.kind === 'scalar') return rounding.none(Float64Array.of(inputs.scalar(role.name)));
  return rounding.of(inputs.stored(role, group), type.dtype);
}

type Given = (role: Role, name: string, type: TensorType, group: number) => Variants;

/** The values of one graph, for one microbatch. */
class Values {
  readonly #request: SerialRequest;
  readonly #name: 'step' | 'update';
  readonly #graph: PlacedGraph;
  readonly #microbatch: number | null;
  readonly #makers: ReadonlyMap<PlacedId, PlacedStep>;
  readonly #values = new Map<PlacedId, Variants>();

  constructor(request: SerialRequest, name: 'step' | 'update', microbatch: number | null, given: Given) {
    this.#request = request;
    this.#name = name;
    this.#graph = request.placed[name]!;
    this.#microbatch = microbatch;
    this.#makers = makersOf(this.#graph);
    for (const { role, name: called, value } of this.#graph.inputs) {
      const { type, group } = this.#graph.values[value];
      this.#values.set(value, given(role, called, type, group));
    }
  }

  *wanted({ steps }: PlacedGraph, wants: SerialRequest['wants']): Generator<SerialValue> {
    for (const { outputs } of steps) {
      for (const id of outputs) {
        const value = { graph: this.#name, id, microbatch: this.#microbatch };
        if (wants(value)) yield { ...value, variants: this.of(id) };
      }
    }
  }

  of(id: PlacedId): Variants {
    const there = this.#values.get(id) ?? this.#known(id);
    if (there) return there;
    const step = this.#makers.get(id)!;
    this.#make(step);
    return this.#values.get(id)!;
  }

  #known(id: PlacedId): Variants | null {
    // What is made once a step the first microbatch makes.
    const microbatch = this.#name === 'step' && this.#graph.values[id].scope === 'step' ? 0 : this.#microbatch;
    const known = this.#request.known({ graph: this.#name, id, microbatch });
    if (known) this.#values.set(id, known);
    return known;
  }

  #make(step: PlacedStep): void {
    const operands = step.inputs.map((id) => this.of(id));
    if (step.kind === 'move' || step.kind === 'transfer') return void this.#values.set(step.outputs[0], operands[0]);
    const { rounding, kernels } = this.#request;
    const results = rounding.each((k) =>
      resultsOf(
        this.#graph,
        step,
        operands.map((one) => one[k]),
        kernels,
      ),
    );
    step.outputs.forEach((id, i) => {
      const { dtype } = this.#graph.values[id].type;
      this.#values.set(
        id,
        rounding.each((k) => (k === 0 ? results[k][i] : rounding.on(results[k][i], dtype))),
      );
    });
  }
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
