/**
 * Placed graphs → the program of one class of ranks.
 *
 * The step graph (forward and backward of one scheduled microbatch) becomes one template a direction; the update graph joins the last
 * backward, so that gradients are reduced while the rest is still being computed. Variants differ in two things: the first microbatch
 * makes what all of them share (`made_once.ts`), and writes what is summed over microbatches, where later ones accumulate.
 */
import type { Phase } from '../ir/graph.js';
import type { PlacedStep } from '../partition/placed.js';
import { assignMemory, keptValues, type UnplacedStep } from '../memory/assign_memory.js';
import type { ClassRequest } from './class_request.js';
import { messagesOfAll, type MessagesOfAll } from '../program/edges.js';
import { fold } from './fold.js';
import { Pending, TemplateWriter } from './lane_events.js';
import { StepLowering } from './lower_step.js';
import type { RankClass, Template, ValueIndex } from '../program/program.js';
import { sectionOf, type Listed } from './sections.js';
import { instructionsOf } from '../program/unroll.js';
import { ValueMap, type Origin } from './value_map.js';

export interface LoweredClass extends RankClass {
  /** The largest sum of bytes live under happens-before: what {@link RankClass.arenaBytes} is measured against. */
  readonly liveBytes: number;
}

export function lowerClass(request: ClassRequest): LoweredClass {
  const map = new ValueMap(request);
  const pending = new Pending();
  const schedule = scheduleSteps(request);
  const names = [...new Set(schedule.map((step) => step.template))];
  const messages = messagesOfAll(request.groups, request.members);
  const templates = names.map((name) => template(request, map, messages, pending, name));
  const contracts = map.contracts();
  const kept = keptValues({ results: map.results, before: contracts.before });
  const memory = assignMemory(map.values.table, templates, schedule, kept, request.memory);
  return {
    name: request.name,
    group: request.group,
    members: request.members,
    values: map.values.table,
    templates: templates.map((template) => ({ ...template, body: fold(instructionsOf(template)) })),
    schedule: memory.schedule,
    ...contracts,
    arenaBytes: memory.arenaBytes,
    liveBytes: memory.liveBytes,
    inputs: map.hostWritten(),
    results: map.results,
  };
}

/** Template names say their variant: `backward.first.last`. */
function scheduleSteps({ slots }: ClassRequest): UnplacedStep[] {
  return slots.map(({ direction, microbatch }, i) => {
    const first = microbatch === 0 ? '.first' : '';
    const last = i === slots.length - 1 ? '.last' : '';
    return { template: `${direction}${first}${last}`, microbatch };
  });
}

function template(
  request: ClassRequest,
  map: ValueMap,
  messages: MessagesOfAll,
  pending: Pending,
  name: string,
): Template {
  const [direction, ...variant] = name.split('.');
  const { step, update, group } = request;
  const writer = new TemplateWriter((value) => map.values.extentOf(value), pending);
  const lowering = new StepLowering(request, map, messages, writer, !variant.includes('first'));
  const body = sectionOf(step, group, direction as Phase, variant.includes('first') ? new Set() : map.once);
  const tail = variant.includes('last') && update ? sectionOf(update, group, null) : [];
  const origins = new Map<PlacedStep, Origin>([
    ...body.map((listed) => [listed.step, 'step'] as const),
    ...tail.map((listed) => [listed.step, 'update'] as const),
  ]);
  for (const listed of interleave(map, body, tail)) lowering.lower(origins.get(listed.step)!, listed);
  if (variant.includes('last')) writer.drain();
  return { name, body: writer.body };
}

/** Puts each move of the tail that reads a sum right after the step of the body that completes the sum. */
function interleave(map: ValueMap, body: readonly Listed[], tail: readonly Listed[]): Listed[] {
  const completes = new Map<ValueIndex, number>();
  body.forEach(({ step, part }, i) =>
    step.outputs.forEach((output) => {
      const sum = map.sums.get(output);
      if (sum !== undefined && part !== 'send' && part !== 'receive') completes.set(sum, i);
    }),
  );
  const after = new Map<number, Listed[]>();
  const rest: Listed[] = [];
  for (const listed of tail) {
    const sum = listed.step.kind === 'move' ? map.sumOf(listed.step.inputs[0]) : undefined;
    const at = sum === undefined ? undefined : latest(map.partsOf(sum).map((part) => completes.get(part)));
    if (at === undefined) rest.push(listed);
    else after.set(at, [...(after.get(at) ?? []), listed]);
  }
  return [...body.flatMap((listed, i) => [listed, ...(after.get(i) ?? [])]), ...rest];
}

/** The last of these positions; undefined where one is not there. */
function latest(positions: readonly (number | undefined)[]): number | undefined {
  return positions.reduce((a, b) => (a === undefined || b === undefined ? undefined : Math.max(a, b)));
}
