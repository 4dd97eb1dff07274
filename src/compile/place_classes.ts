/** The plan applied, up to what each class of ranks is lowered from: where a program, one class of it and a quote part. */
import type { Graph } from '../ir/graph.js';
import { kernelsOf } from '../kernels/target.js';
import type { ClassRequest } from '../lower/class_request.js';
import { classRequests, type LowerRequest } from '../lower/class_requests.js';
import type { TracedModel } from '../nn/trace.js';
import type { UpdateRecipe } from '../optim/update.js';
import { placeGraphs, type ChosenGraphs, type PlaceRequest } from '../partition/place_graphs.js';
import type { Prove } from '../partition/prove.js';
import { splitChunks, type ScheduleTable } from '../schedule/slot.js';

export type GraphOptions = Omit<PlaceRequest, 'kernels' | 'split'> & Pick<LowerRequest, 'memory'>;

export interface PlacedClasses {
  readonly placed: ChosenGraphs;
  /** In the order of the program's classes. */
  readonly requests: readonly ClassRequest[];
}

/** `prove`: by default all that can be asked of the placed graphs. */
export function placeClasses(
  options: GraphOptions,
  { parameters }: Pick<TracedModel, 'parameters'>,
  step: Graph,
  update: UpdateRecipe | null,
  table: ScheduleTable,
  prove?: Prove,
): PlacedClasses {
  const kernels = kernelsOf(options.target, options.registry);
  const placed = placeGraphs({ ...options, kernels, split: splitChunks(table) }, parameters, step, update, prove);
  return { placed, requests: classRequests({ ...options, kernels }, placed, table) };
}
