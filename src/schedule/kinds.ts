import { nearestChoice, type NamesElsewhere } from '../ir/nearest_choice.js';
import { counted } from '../ir/units.js';
import type { ScheduleKind, ScheduleShape } from './kind.js';
import { oneForwardOneBackward } from './1f1b.js';
import * as diagnose from './diagnostics.js';
import { dualPipeV } from './dualpipe_v.js';
import { gpipe } from './gpipe.js';
import { interleaved } from './interleaved.js';
import type { ScheduleTable } from './slot.js';
import { zbH1 } from './zb_h1.js';
import { zbV } from './zb_v.js';

/** Every schedule that can be generated, by the name that plans call it. */
export const scheduleKinds: ReadonlyMap<string, ScheduleKind> = new Map(
  [gpipe, oneForwardOneBackward, interleaved, zbH1, zbV, dualPipeV].map((kind) => [kind.name, kind]),
);

/** PyTorch's names of these, with and without `Schedule` before them as its classes have it. */
export const schedulesElsewhere: NamesElsewhere = Object.fromEntries(
  [...scheduleKinds.values()].flatMap(({ name, pytorch }) => [
    [pytorch, name],
    [`Schedule${pytorch}`, name],
  ]),
);

/** The kind of this name. Throws `schedule/unknown-schedule`. */
export function scheduleKind(name: string): ScheduleKind {
  const kind = scheduleKinds.get(name);
  const known = [...scheduleKinds.keys()];
  if (!kind)
    throw diagnose.unknownSchedule({ kind: name, nearest: nearestChoice(name, known, schedulesElsewhere), known });
  return kind;
}

/** Chunks a group where a plan does not say: what the schedule takes, or the least that it can. */
export const defaultVirtualStages = ({ virtualStages }: ScheduleKind): number =>
  'exactly' in virtualStages ? virtualStages.exactly : virtualStages.least;

/** The table of a kind. Throws what {@link requireShape} does. */
export function generateSchedule(name: string, shape: ScheduleShape): ScheduleTable {
  requireShape(name, shape);
  return scheduleKind(name).generate(shape);
}

/**
 * Throws where the shape is not legal for a kind: `schedule/wrong-shape`, `…/wrong-virtual-stages`, `…/too-few-microbatches`. Makes no table,
 * which of a number of microbatches that somebody mistyped would not fit in memory.
 */
export function requireShape(name: string, { groups, virtualStages, microbatches }: ScheduleShape): void {
  const kind = scheduleKind(name);
  if (!isCount(groups)) throw diagnose.wrongShape({ name: 'groups', value: groups });
  if (!isCount(microbatches)) throw diagnose.wrongShape({ name: 'microbatches', value: microbatches });
  const legs = kind.virtualStages;
  if ('exactly' in legs ? virtualStages !== legs.exactly : !(isCount(virtualStages) && virtualStages >= legs.least)) {
    const takes = 'exactly' in legs ? counted(legs.exactly, 'chunk') : `${counted(legs.least, 'chunk')} or more`;
    throw diagnose.wrongVirtualStages({ kind: name, virtualStages, takes });
  }
  const least = kind.leastMicrobatches(groups);
  if (microbatches < least) throw diagnose.tooFewMicrobatches({ kind: name, microbatches, least, groups });
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 1;
