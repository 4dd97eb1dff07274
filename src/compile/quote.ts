/**
 * The quote of a plan: what a search that asks for hundreds of plans needs to know of each, from the compiler's own passes and without a
 * program. Ops are placed, and the text of each class is written, as they are when the plan is compiled; what follows from lifetimes and
 * lanes is then summed up, and no address is searched for, no loop found and nothing proved.
 *
 *   const graphs = trainingGraphs(options);                           once for each batch and precision
 *   for (const plan of plans) quoteTraining({ ...options, plan }, graphs).classes
 *
 * A plan is as good as its worst class: what fits every device's memory is `liveBytes`, to which addresses add a hundredth or so; a step
 * takes no less than the busiest lane's `seconds`, and longer by what lanes wait for each other, which a schedule's timeline tells.
 */
import type { Graph } from '../ir/graph.js';
import { quoteClass, type ClassQuote } from '../lower/quote_class.js';
import type { TracedModel } from '../nn/trace.js';
import type { UpdateRecipe } from '../optim/update.js';
import { defaultCosts } from '../partition/costs.js';
import type { PlacedGraphs } from '../partition/place_graphs.js';
import { tableOf } from '../plan/plan_schedule.js';
import type { ScheduleTable } from '../schedule/slot.js';
import { trainingGraphs, type TrainingGraphs, type TrainingOptions } from './compile.js';
import { placeClasses, type GraphOptions } from './place_classes.js';

export interface PlanQuote {
  /** How every op is split, and every reshard, as in the compiled program. */
  readonly placed: PlacedGraphs;
  /** One for each class of the compiled program, in its order. */
  readonly classes: readonly ClassQuote[];
}

/** What a plan comes to for a training step. `graphs`: of `trainingGraphs`, under a plan of the same batch and precision. */
export const quoteTraining = (options: TrainingOptions, graphs: TrainingGraphs = trainingGraphs(options)): PlanQuote =>
  quoteGraphs({ ...options, choices: options.plan }, graphs, graphs.step, graphs.update, tableOf(options.plan));

/** The quote of what `compileGraphs` makes of the same arguments. */
export function quoteGraphs(
  options: GraphOptions,
  traced: Pick<TracedModel, 'parameters'>,
  step: Graph,
  update: UpdateRecipe | null,
  table: ScheduleTable,
): PlanQuote {
  const costs = options.costs ?? defaultCosts();
  // Not proved: what is compiled will be.
  const { placed, requests } = placeClasses({ ...options, costs }, traced, step, update, table, () => {});
  return { placed, classes: requests.map((request) => quoteClass(request, costs)) };
}
