/** Plans in words, as people name them. */
import { meshRanks, type AxisName, type Mesh } from '../ir/mesh.js';
import { counted } from '../ir/units.js';
import { gradientDtypeOf } from './gradient_dtype.js';
import { gatheringOf, gradientReductionOf, groupOfChunks, meshesOf, type Plan } from './plan.js';
import { ownAxes, yieldedAxes } from './splits.js';

/**
 * `pipeline 2 × data 2, ZeRO-1`, `context 2 × tensor 2, ring, sequence parallel`; what is one is not told, nor is ZeRO where it splits
 * nothing. Groups on unlike meshes stand one after the other: `data 2 | tensor 2`.
 */
export function planText(plan: Plan): string {
  const meshes = meshesOf(plan).map((mesh) => meshText(mesh) ?? 'one rank');
  const alike = meshes.every((text) => text === meshes[0]);
  const pipeline = meshes.length > 1 ? [`pipeline ${meshes.length}`] : [];
  const sizes = alike
    ? [...pipeline, meshText(meshesOf(plan)[0])].filter((text) => text !== null).join(' × ') || 'one rank'
    : meshes.join(' | ');
  const { own, yielded } = sequenceAxes(plan);
  return [
    sizes,
    ...(own.length > 0 && plan.context_method ? [plan.context_method] : []),
    ...(yielded.length > 0 ? ['sequence parallel'] : []),
    ...(plan.zero.stage === 0 || zeroGroups(plan).length === 0 ? [] : [`ZeRO-${plan.zero.stage}`]),
  ].join(', ');
}

/** Over what sequences are split, and how they are stored: `over context, by ring, stored head-tail`. Null: they are whole. */
export function sequencesText(plan: Plan, isHeadTail: boolean): string | null {
  const { own, yielded } = sequenceAxes(plan);
  const order = isHeadTail ? 'stored head-tail' : 'in their own order';
  const parts = [
    ...(own.length > 0
      ? [`over ${own.join(' × ')}${plan.context_method ? `, by ${plan.context_method}, ${order}` : ''}`]
      : []),
    ...(yielded.length > 0
      ? [`over ${yielded.join(' × ')} where nothing else is split over it (sequence parallel)`]
      : []),
  ];
  return parts.join('; ') || null;
}

/** Over what experts are split; null: they are whole, or there are none. */
export function expertsText({ split, groups }: Plan): string | null {
  const axes = (split.experts ?? []).filter((axis) => isShared(groups, axis));
  return axes.length === 0 ? null : `over ${axes.join(' × ')}`;
}

/** The axes of several ranks over which sequences are split: those that are theirs, and those on which they yield to other factors. */
function sequenceAxes({ split, groups }: Plan) {
  const shared = (axes: readonly AxisName[]) => axes.filter((axis) => isShared(groups, axis));
  return { own: shared(ownAxes(split, 'sequence')), yielded: shared(yieldedAxes(split, 'sequence')) };
}

const isShared = (groups: Plan['groups'], axis: AxisName): boolean =>
  Object.values(groups).some(({ mesh }) => (mesh[axis] ?? 1) > 1);

/** What each group runs and where: `g1: ranks 2 to 3, data 2: blocks.2 to blocks.5, head`; its chunks stand one behind the other. */
export function groupTexts(plan: Plan): readonly string[] {
  let first = 0;
  const names = Object.keys(plan.groups);
  const groupOf = groupOfChunks(plan);
  return meshesOf(plan).map((mesh, group) => {
    const last = first + meshRanks(mesh) - 1;
    const ranks = first === last ? `rank ${first}` : `ranks ${first} to ${last}`;
    first = last + 1;
    const where = [ranks, meshText(mesh)].filter((text) => text !== null).join(', ');
    const runs = plan.chunks.filter((_, chunk) => groupOf[chunk] === group);
    return `${names[group]}: ${where}: ${runs.map(({ segments }) => segmentsText(segments)).join(' | ')}`;
  });
}

/** What ZeRO splits, also where that is nothing. */
export function zeroText(plan: Plan): string {
  const { zero, split } = plan;
  const { stage, axes } = zero;
  const over = axes.join(' × ');
  const groups = zeroGroups(plan);
  if (groups.length === 0) {
    return `nothing is split: there is one rank along ${over}, which keeps the optimizer's state of all its parameters`;
  }
  if (stage === 0) return `stage 0: every rank along ${over} keeps the optimizer's state of all its parameters`;
  const together = Object.values(split).find((all) => axes.some((axis) => all.includes(axis))) ?? [];
  const replicas = together.filter((other) => !axes.includes(other));
  const copies = replicas.length > 0 ? `, alike on each of ${replicas.join(' and ')}` : '';
  const gathering = stage === 3 ? `; ${gatheringText(zero)}` : '';
  const besides = [
    ...(gradientReductionOf(zero) === 'each' ? [', sums of gradients'] : []),
    ...(stage === 3 ? [', parameters'] : []),
  ].join('');
  const where = groups.length < Object.keys(plan.groups).length ? ` in ${groups.join(' and ')} alone` : '';
  return `stage ${stage}: the optimizer's state${besides} and the update are split over ${over}${where}${copies}${gathering}`;
}

function gatheringText(zero: Plan['zero']): string {
  const { prefetch, reshard_after_forward: again } = gatheringOf(zero);
  return again
    ? `gathered for each segment in each direction, ${counted(prefetch, 'segment')} ahead (prefetch)`
    : `gathered once a step, ${counted(prefetch, 'segment')} ahead (prefetch)`;
}

/** `ops in bf16, parameters and state in f32, gradients summed in f32`, and how they are reduced where that is another type. */
export function precisionText({ precision, zero }: Plan): string {
  const { compute, master, reduce } = precision;
  const reduced = `reduced ${gradientReductionOf(zero) === 'each' ? 'for each microbatch' : 'once a step'}`;
  return `ops in ${compute}, parameters and state in ${master}, gradients summed in ${gradientDtypeOf(precision)}, ${reduced}${reduce ? ` in ${reduce}` : ''}`;
}

/** What the backward makes again, as `scopes` has it: `blocks.*: all that it made, for the backward`. */
export function madeAgainText({ scopes }: Plan): string {
  if (scopes.length === 0) return 'nothing: the backward finds what it reads (activation_checkpoint none)';
  return scopes
    .map(({ of, made, keep, ops }) => {
      const what = made === 'reshard' ? 'what is gathered' : ops === 'all' ? 'all' : 'what is cheap to make';
      return `${of}: ${what}, kept for the ${keep}`;
    })
    .join('; ');
}

/** The groups that have several ranks along ZeRO's axes. */
const zeroGroups = ({ groups, zero }: Plan): readonly string[] =>
  Object.keys(groups).filter((name) => zero.axes.some((axis) => (groups[name].mesh[axis] ?? 1) > 1));

/** The axes of a mesh with more than one rank; null where there are none. */
const meshText = ({ axes }: Mesh): string | null =>
  axes
    .filter(({ size }) => size > 1)
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
