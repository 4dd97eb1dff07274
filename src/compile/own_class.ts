/** The class of one rank by itself: all that a rank runs, without what it takes to write and prove the other classes. */
import type { Graph } from '../ir/graph.js';
import { rankAt } from '../ir/mesh.js';
import { lowerClass, type LoweredClass } from '../lower/lower_class.js';
import type { TracedModel } from '../nn/trace.js';
import type { UpdateRecipe } from '../optim/update.js';
import type { ScheduleTable } from '../schedule/slot.js';
import { placeClasses, type GraphOptions } from './place_classes.js';

/** The class of a global rank in what `compileGraphs` makes of the same arguments. */
export function compileOwnClass(
  rank: number,
  options: GraphOptions,
  traced: Pick<TracedModel, 'parameters'>,
  step: Graph,
  update: UpdateRecipe | null,
  table: ScheduleTable,
): LoweredClass {
  const { requests } = placeClasses(options, traced, step, update, table);
  const own = requests.find(({ groups, group, members }) => {
    const { mesh, firstRank } = groups[group];
    return members.some((at) => firstRank + rankAt(mesh, at) === rank);
  });
  if (!own) throw new Error(`the plan has no rank ${rank}`);
  return lowerClass(own);
}
