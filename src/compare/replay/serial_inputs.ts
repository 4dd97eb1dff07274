/** What the serial step is given: the state, the data and the scalars of the parallel one, whole. */
import { decode } from '../../engine/host_array.js';
import { nameOf, type Role } from '../../ir/role.js';
import { elementsOf, sizesOf } from '../../ir/type.js';
import { countScalars } from '../../nn/denominators.js';
import { adamwScalars } from '../../optim/adamw.js';
import { bucketOfRole, tensorsIn } from '../../partition/buckets.js';
import { pack } from '../../partition/packing.js';
import { elementsFrom } from '../../run/blocks.js';
import { countersAt, type Counters } from '../../train/counters.js';
import { batchBlock, stepCounts, type BatchInput } from '../../train/step_inputs.js';
import type { ReplayedRun, WholeState } from './replayed_run.js';
import type { SerialInputs } from './serial_step.js';

/** Of a step, from 0, that begins with this state and these counters. */
export function serialInputs(run: ReplayedRun, state: WholeState, begins: Counters, step: number): SerialInputs {
  const { config, plan, dataset, model, runSteps } = run.request;
  const { placed } = run.programs.training;
  const wholes = new Map(
    [...state.tensors].map(([name, { dtype, bytes }]) => [name, decode(dtype, elementsFrom(dtype, bytes))]),
  );
  const counting = { begins, config, tokensPerStep: config.batch.sequences * model.options.context };
  const { samples } = countersAt(counting, step);
  const rows = (place: number, count: number) => dataset.train.samples(samples + place, count);
  const scalars: Readonly<Record<string, number>> = {
    ...adamwScalars(config.optimizer, step, runSteps ?? Number.MAX_SAFE_INTEGER, state.updates),
    ...countScalars(stepCounts(plan, rows)),
    seed: config.seed,
    step,
  };
  return {
    stored(role: Role, group: number) {
      const bucket = bucketOfRole(
        placed.buckets.filter((one) => one.group === group),
        role,
      );
      if (!bucket) return wholes.get(nameOf(role))!;
      const tensors = tensorsIn(bucket, role);
      return pack(
        placed.step.meshes[group],
        tensors,
        tensors.map(({ name, type, isPadding }) =>
          isPadding ? new Float64Array(elementsOf(type)) : wholes.get(name)!,
        ),
      );
    },
    data(name, microbatch, type) {
      if (name === 'microbatch') return Float64Array.of(microbatch);
      const whole = sizesOf(type).map((size) => [0, size] as const);
      return Float64Array.from(batchBlock(type, whole, { plan, microbatch, rows, name: name as BatchInput }));
    },
    scalar: (name) => scalars[name],
  };
}
