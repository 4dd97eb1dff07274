/** What a plan says for nothing: what would be done over one rank, by one group, or to parameters that are split already. */
import type { AxisName } from '../ir/mesh.js';
import { counted } from '../ir/units.js';
import { requireGroups } from './check_schedule.js';
import { contextMethodFacts, hasAllPositions } from './context_methods.js';
import { planContradiction } from './diagnostics.js';
import type { PlannedModel } from './planned_model.js';
import { writtenSchedule } from './plan_schedule.js';
import { requireGradientReduction } from './reduce_dtype.js';
import { meshesOf, type Plan } from './plan.js';
import { axesOn, ownAxes, splitsOf } from './splits.js';

/** Throws where what is asked for would be done over one rank, or by one group. */
export function checkNothingIsIdle(plan: Plan, model: PlannedModel, axes: readonly AxisName[], file: string): void {
  const { split, bounds, context_method, context_order, zero, schedule, groups, chunks } = plan;
  const isSplit = (over: readonly AxisName[]) => meshesOf(plan).some((mesh) => axesOn(mesh, over).length > 0);
  for (const [factor, cut] of Object.entries(bounds)) {
    if (isSplit(split[factor])) continue;
    throw planContradiction({
      file,
      field: `bounds.${factor}`,
      problem: `the boundaries [${cut.join(', ')}] of '${factor}' say nothing`,
      why: `no group cuts it: the axes of split.${factor} have one rank each`,
      fix: `remove bounds.${factor}`,
    });
  }
  const { sequence = [] } = split;
  const own = ownAxes(split, 'sequence');
  if (context_method !== undefined && !isSplit(own)) {
    throw planContradiction({
      file,
      field: 'context_method',
      problem: `positions of a sequence are to meet by ${context_method}, and that says nothing`,
      why: isSplit(sequence)
        ? 'attention is split by what is listed before the sequence, over the same axes'
        : 'no group splits a sequence',
      fix: 'remove context_method, or give split.sequence an axis of several ranks that splits nothing listed before it',
    });
  }
  checkSequenceHasParts(plan, model, file);
  if (context_order !== undefined && (context_method === undefined || hasAllPositions(context_method))) {
    throw planContradiction({
      file,
      field: 'context_order',
      problem: `sequences are to be stored ${context_order}, and that says nothing`,
      why:
        context_method !== undefined
          ? `by ${context_method} each rank attends for its heads to all positions: all have equally much to do`
          : 'no method says how positions of a split sequence meet',
      fix: 'remove context_order, or set context_method to "allgather", "ring" or "ulysses+ring"',
    });
  }
  const evenly = context_order !== undefined || contextMethodFacts(context_method).turns;
  if (evenly && Object.hasOwn(bounds, 'sequence')) {
    throw planContradiction({
      file,
      field: 'bounds.sequence',
      problem: `sequences are cut at [${bounds.sequence.join(', ')}], and ${context_order ? `stored ${context_order}` : 'go round a ring'}`,
      why: 'both take even parts: every attention would bring what it reads into them, and back',
      fix: 'remove bounds.sequence, or set context_method to "allgather" and leave context_order out',
    });
  }
  if (zero.stage > 0 && !isSplit(zero.axes)) {
    const over = zero.axes.length === 0 ? 'no axis' : axesText(zero.axes);
    const oneRank = 'has one rank in every group, which';
    const who = ['every rank', `it ${oneRank}`, `each of them ${oneRank}`][Math.min(2, zero.axes.length)];
    throw planContradiction({
      file,
      field: 'zero.axes',
      problem: `ZeRO is to split over ${over}, and that says nothing`,
      why: `${who} keeps all that belongs to its parameters`,
      fix: zeroAxesFix(plan, model, axes),
    });
  }
  requireGradientReduction(plan, { file, field: 'zero.reduce_gradients' });
  if (schedule.kind !== writtenSchedule && Object.keys(groups).length === 1) {
    requireGroups(schedule.kind, chunks.length, {
      file,
      field: 'schedule.kind',
      fix: 'set it to "1f1b", with one chunk, or run the chunks on two groups or more',
    });
  }
}

/** Each rank that shares a sequence has a part of it: rings go round in as many steps, and all else would be done for nothing. */
function checkSequenceHasParts(plan: Plan, { sizes }: PlannedModel, file: string): void {
  const { split, groups, context_method: method } = plan;
  const tokens = Math.max(...sizes.sequence);
  for (const [name, { mesh }] of Object.entries(groups)) {
    const axes = (split.sequence ?? []).filter((axis) => axis in mesh);
    const ranks = axes.reduce((n, axis) => n * mesh[axis], 1);
    if (ranks <= tokens) continue;
    throw planContradiction({
      file,
      field: 'split.sequence',
      problem: `${ranks} ranks of group ${name} share a sequence of ${counted(tokens, 'token')}`,
      why: contextMethodFacts(method).turns
        ? 'a ring has a part for each of its ranks'
        : 'a rank would have no part of it',
      fix: `split it over axes of ${counted(tokens, 'rank')} or fewer, together`,
    });
  }
}

/** ZeRO splits what is replicated over its axes: over each that has several ranks, some parameter must be. */
export function checkZeroSplits(plan: Plan, model: PlannedModel, axes: readonly AxisName[], file: string): void {
  if (plan.zero.stage === 0) return;
  const idle = plan.zero.axes.find(
    (axis) => meshesOf(plan).some((mesh) => axesOn(mesh, [axis]).length > 0) && !isReplicated(plan, model, axis),
  );
  if (idle === undefined) return;
  throw planContradiction({
    file,
    field: 'zero.axes',
    problem: `ZeRO is to split over '${idle}', and no parameter is replicated over it`,
    why: 'the plan splits each of them over this axis already: there is nothing left to share',
    fix: zeroAxesFix(plan, model, axes),
  });
}

/** Whether some group has several ranks along an axis, and a parameter that is replicated over them. */
const isReplicated = (plan: Plan, { parameters }: PlannedModel, axis: AxisName): boolean =>
  meshesOf(plan).some(
    (mesh) =>
      axesOn(mesh, [axis]).length > 0 &&
      parameters.some((factors) => ![...splitsOf(plan, mesh, factors).values()].flat().includes(axis)),
  );

/** The axes over which ZeRO would split something, or its stage without any. */
function zeroAxesFix(plan: Plan, model: PlannedModel, axes: readonly AxisName[]): string {
  const others = axes.filter((axis) => isReplicated(plan, model, axis)).map((axis) => `["${axis}"]`);
  return `set ${others.length > 0 ? `it to ${others.join(' or ')}, or ` : ''}zero.stage to 0`;
}

const axesText = (axes: readonly AxisName[]): string => axes.map((axis) => `'${axis}'`).join(' and ');
