/** Plans of earlier versions, as this one writes them. */
import { pipelineOf, planVersion, type PipelineStage } from './plan.js';

/**
 * Version 1 knew pipeline stages: a run of segments, a mesh and a set of ranks at once. Each is a group that runs one chunk. Whatever is
 * wrong with the fields is left for the schema to say.
 */
export function liftVersion1(plan: object): object {
  const { stages, ...rest } = plan as { readonly stages?: unknown };
  if (!isListOfStages(stages)) return { ...rest, flotilla_plan: planVersion };
  if ('groups' in rest || 'chunks' in rest) return { ...plan, flotilla_plan: planVersion };
  const { groups, chunks } = pipelineOf(stages);
  // Fields that a stage never had go along, to be refused as those of a chunk.
  const others = stages.map((stage) =>
    Object.entries(stage).filter(([name]) => name !== 'segments' && name !== 'mesh'),
  );
  return {
    ...rest,
    flotilla_plan: planVersion,
    groups,
    chunks: chunks.map((chunk, i) => ({ ...chunk, ...Object.fromEntries(others[i]) })),
  };
}

const isListOfStages = (stages: unknown): stages is readonly PipelineStage[] =>
  Array.isArray(stages) &&
  stages.every((stage) => typeof stage === 'object' && stage !== null && 'segments' in stage && 'mesh' in stage);
