/** Plans of earlier versions, as this one writes them. */
import { pipelineOf, planVersion, type PipelineStage } from './plan.js';

/**
 * Version 1 knew pipeline stages: a run of segments, a mesh and a set of ranks at once. Each is a group that runs one chunk. Whatever is
 * wrong with the fields is left for the schema to say.
 */
export function liftVersion1(plan: object): object {
  const { stages, ...rest } = plan as { readonly stages?: unknown };
  const written = { ...rest, flotilla_plan: planVersion };
  return isListOfStages(stages) ? { ...written, ...pipelineOf(stages) } : written;
}

const isListOfStages = (stages: unknown): stages is readonly PipelineStage[] =>
  Array.isArray(stages) &&
  stages.every((stage) => typeof stage === 'object' && stage !== null && 'segments' in stage && 'mesh' in stage);
