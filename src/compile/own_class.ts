/** The class of one rank by itself: all that a rank runs, without what it takes to write and prove the other classes. */
import type { Graph } from '../ir/graph.js';
import { rankAt } from '../ir/mesh.js';
import { kernelsOf } from '../kernels/target.js';
import { classRequests } from '../lower/class_requests.js';
import { lowerClass, type LoweredClass } from '../lower/lower_class.js';
import type { TracedModel } from '../nn/trace.js';
import type { UpdateRecipe } from '../optim/update.js';
import { placeGraphs } from '../partition/place_graphs.js';
import { splitChunks, type ScheduleTable } from '../schedule/slot.js';
import type { GraphOptions } from './compile.js';

/** The class of a global rank in what `compileGraphs` makes of the same arguments. */
export function compileOwnClass(
  rank: number,
  options: GraphOptions,
  { parameters }: Pick<TracedModel, 'parameters'>,
  step: Graph,
  update: UpdateRecipe | null,
  table: ScheduleTable,
): LoweredClass {
  const kernels = kernelsOf(options.target, options.registry);
  const placed = placeGraphs({ ...options, kernels, split: splitChunks(table) }, parameters, step, update);
  const own = classRequests({ ...options, kernels }, placed, table).find(({ groups, group, members }) => {
    const { mesh, firstRank } = groups[group];
    return members.some((at) => firstRank + rankAt(mesh, at) === rank);
  });
  if (!own) throw new Error(`the plan has no rank ${rank}`);
  return lowerClass(own);
}
