/** Plans of earlier versions, as this one writes them. */
import { pipelineOf, planVersion, type PipelineStage, type Plan } from './plan.js';

/** Version 1 knew pipeline stages: a run of segments, a mesh and a set of ranks at once. Each is a group that runs one chunk. */
export const liftVersion1 = ({ stages, ...rest }: PlanVersion1): Plan => ({
  ...rest,
  flotilla_plan: planVersion,
  ...pipelineOf(stages),
});

export interface PlanVersion1 extends Omit<Plan, 'flotilla_plan' | 'groups' | 'chunks'> {
  readonly flotilla_plan: 1;
  readonly stages: readonly PipelineStage[];
}

/** Plans once had one axis in ZeRO, `axis`. */
export function liftZeroAxis(plan: object): object {
  const zero: unknown = 'zero' in plan ? plan.zero : null;
  if (typeof zero !== 'object' || zero === null || !('axis' in zero) || 'axes' in zero) return plan;
  const { axis, ...rest } = zero;
  return { ...plan, zero: { ...rest, axes: [axis] } };
}
