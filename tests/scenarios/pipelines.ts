/** Pipelines for tests: a model's segments on groups of given meshes, as a schedule wants them. */
import { evenBounds } from '../../src/ir/layout.js';
import { groupName, type Plan } from '../../src/plan/plan.js';
import { defaultVirtualStages, scheduleKind } from '../../src/schedule/kinds.js';
import { groupOfChunk } from '../../src/schedule/placement.js';

/** As few chunks a group as the schedule takes, of segments as even as can be. */
export function pipelineUnder(
  schedule: string,
  meshes: readonly Readonly<Record<string, number>>[],
  segments: readonly string[],
): Pick<Plan, 'groups' | 'chunks'> {
  const kind = scheduleKind(schedule);
  const chunks = meshes.length * defaultVirtualStages(kind);
  const bounds = evenBounds(segments.length, chunks);
  return {
    groups: Object.fromEntries(meshes.map((mesh, i) => [groupName(i), { mesh }])),
    chunks: Array.from({ length: chunks }, (_, c) => ({
      segments: segments.slice(bounds[c], bounds[c + 1]),
      on: groupName(groupOfChunk(kind.placement, meshes.length, c)),
    })),
  };
}
