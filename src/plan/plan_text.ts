/** Plans in words, as people name them. */
import { meshOf, ranksOfStage, type Plan, type PlanStage } from './plan.js';

/**
 * `pipeline 2 × data 2, ZeRO-1`; what is one is not told, nor is ZeRO where it splits nothing. Stages on unlike meshes stand one after the
 * other: `data 2 | tensor 2`.
 */
export function planText({ stages, zero }: Plan): string {
  const meshes = stages.map((stage) => meshText(stage) ?? 'one rank');
  const alike = meshes.every((text) => text === meshes[0]);
  const pipeline = meshes.length > 1 ? [`pipeline ${meshes.length}`] : [];
  const sizes = alike
    ? [...pipeline, meshText(stages[0])].filter((text) => text !== null).join(' × ') || 'one rank'
    : meshes.join(' | ');
  return zero.stage === 0 ? sizes : `${sizes}, ZeRO-${zero.stage}`;
}

/** What each stage runs and where: `stage 1: ranks 2 to 3, data 2: blocks.2 to blocks.5, head`. */
export function stageTexts({ stages }: Plan): readonly string[] {
  let first = 0;
  return stages.map((stage, i) => {
    const last = first + ranksOfStage(stage) - 1;
    const ranks = first === last ? `rank ${first}` : `ranks ${first} to ${last}`;
    first = last + 1;
    const where = [ranks, meshText(stage)].filter((text) => text !== null).join(', ');
    return `stage ${i}: ${where}: ${segmentsText(stage.segments)}`;
  });
}

/** What ZeRO splits, also where that is nothing. */
export const zeroText = ({ zero }: Plan): string =>
  zero.stage === 0
    ? `stage 0: every rank along ${zero.axis} keeps the optimizer's state of all its parameters`
    : `stage ${zero.stage}: the optimizer's state and the update are split over ${zero.axis}`;

/** What a stage is split over; null where that is nothing. */
const meshText = (stage: PlanStage): string | null =>
  meshOf(stage)
    .axes.filter(({ size }) => size > 1)
    .map(({ name, size }) => `${name} ${size}`)
    .join(' × ') || null;

/** Neighbours that are numbered on are told by the first and the last of them. */
function segmentsText(segments: readonly string[]): string {
  const runs: string[][] = [];
  for (const segment of segments) {
    const run = runs.at(-1);
    if (run && segment === following(run.at(-1)!)) run.push(segment);
    else runs.push([segment]);
  }
  return runs.map((run) => (run.length === 1 ? run[0] : `${run[0]} to ${run.at(-1)}`)).join(', ');
}

/** `blocks.3` after `blocks.2`; null after what has no number. */
function following(segment: string): string | null {
  const found = /^(.*\.)(\d+)$/.exec(segment);
  return found ? `${found[1]}${Number(found[2]) + 1}` : null;
}
