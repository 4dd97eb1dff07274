/**
 * A plan against the model that it is for: every name is one that the model or a mesh has, every segment is run once, in order, and no
 * two fields contradict each other. What passes here needs no look-up with a default further on.
 */
import { nearest } from '../ir/diagnostic.js';
import { evenBounds } from '../ir/layout.js';
import type { FactorName } from '../ir/type.js';
import { counted } from '../ir/units.js';
import { checkNothingIsIdle, checkZeroSplits } from './check_idle.js';
import { checkScheduleOf } from './check_schedule.js';
import { requireChosenForThis } from './chosen_for.js';
import { gatherWithoutStage3, planContradiction, planUnknownName } from './diagnostics.js';
import { requireGradientDtype } from './gradient_dtype.js';
import type { PlannedModel } from './planned_model.js';
import { requireReduceDtype } from './reduce_dtype.js';
import { requireReproducible } from './reproducible.js';
import { liesUnder, stage3Fields, type Plan } from './plan.js';

/**
 * Throws `plan/unknown-name`, `plan/contradiction` or, of a schedule that the plan writes out, `schedule/…`: the first fault, with the nearest
 * legal value. `file`: for messages. `ofRun`: a run has trained by it, so that what it says for nothing is let be.
 */
export function checkPlan(
  plan: Plan,
  model: PlannedModel,
  file: string,
  { ofRun = false }: { readonly ofRun?: boolean } = {},
): void {
  checkGroups(plan, file);
  checkSegments(plan, model.segments, file);
  checkScheduleOf(plan, file);
  const axes = [...new Set(Object.values(plan.groups).flatMap(({ mesh }) => Object.keys(mesh)))];
  const { logical_microbatches, sequences } = plan.batch;
  checkSplit(plan, { ...model.sizes, microbatch: [logical_microbatches], batch: [sequences] }, axes, file);
  checkZeroAxes(plan, axes, file);
  const gathers = stage3Fields.find((name) => plan.zero[name] !== undefined);
  if (gathers && plan.zero.stage !== 3) {
    throw gatherWithoutStage3({ file, field: `zero.${gathers}`, stage: plan.zero.stage });
  }
  checkZeroSplits(plan, model, axes, file);
  checkScopes(plan, model.segments, file);
  checkAxesAreUsed(plan, model, file);
  checkNumbers(plan, file);
  requireReduceDtype(plan, { file, field: 'precision.reduce' });
  requireReproducible(plan, file);
  requireChosenForThis(plan, file);
  if (!ofRun) checkNothingIsIdle(plan, model, axes, file);
}

/** Each chunk runs on a group that there is, and each group runs a chunk. */
function checkGroups({ groups, chunks }: Plan, file: string): void {
  const known = Object.keys(groups);
  if (known.length === 0) {
    const fix = `write "groups": { "${chunks[0].on}": { "mesh": { "data": 1 } } }`;
    throw planContradiction({ file, field: 'groups', problem: 'the plan has no group of devices', fix });
  }
  chunks.forEach(({ on }, i) => {
    if (!Object.hasOwn(groups, on))
      throw planUnknownName({ file, field: `chunks.${i}.on`, kind: 'group', name: on, known });
  });
  const busy = new Set(chunks.map(({ on }) => on));
  const idle = known.find((name) => !busy.has(name));
  if (idle === undefined) return;
  throw planContradiction({
    file,
    field: `groups.${idle}`,
    problem: `the group '${idle}' runs no chunk`,
    why: 'its ranks would have nothing to compute',
    fix: `remove it, or write "on": "${idle}" in one of the ${chunks.length} chunks`,
  });
}

/** Paths begin as a segment does; what lies under it is known when the model has been traced. */
function checkScopes({ scopes }: Plan, segments: readonly string[], file: string): void {
  scopes.forEach(({ of }, i) => {
    const names = of.split('.');
    const begins = (segment: string) => liesUnder(segment, names.slice(0, segment.split('.').length).join('.'));
    if (segments.some(begins)) return;
    // Who writes a pattern means one; what is written of the path under a segment stays.
    const written = names.includes('*') ? segments.map((segment) => segment.replaceAll(/\b\d+\b/g, '*')) : segments;
    const known = [...new Set(written)];
    const whole = known.map((segment) => [segment, ...names.slice(segment.split('.').length)].join('.'));
    throw planUnknownName({
      file,
      field: `scopes.${i}.of`,
      kind: 'segment',
      name: of,
      known: nearest(of, whole) === null ? known : whole,
    });
  });
}

function checkSegments({ chunks }: Plan, segments: readonly string[], file: string): void {
  const chunkOf = new Map<string, number>();
  chunks.forEach((chunk, i) => {
    const field = `chunks.${i}.segments`;
    if (chunk.segments.length === 0) {
      const problem = `chunk ${i} has no segment`;
      const why = `the model has ${segments.length}, and there are ${chunks.length} chunks`;
      const fix = `give it one, or plan ${counted(Math.min(segments.length, chunks.length - 1), 'chunk')} or fewer`;
      throw planContradiction({ file, field, problem, why, fix });
    }
    for (const segment of chunk.segments) {
      if (!segments.includes(segment)) {
        throw planUnknownName({ file, field, kind: 'segment', name: segment, known: segments });
      }
      const before = chunkOf.get(segment);
      if (before !== undefined) {
        const problem = `the segment '${segment}' is in ${before === i ? `chunk ${i} twice` : `chunk ${before} and in chunk ${i}`}`;
        throw planContradiction({ file, field, problem, fix: `leave it in chunk ${before} alone, once` });
      }
      chunkOf.set(segment, i);
    }
  });
  const missing = segments.find((segment) => !chunkOf.has(segment));
  if (missing !== undefined) {
    const [next] = segments.slice(segments.indexOf(missing)).flatMap((segment) => chunkOf.get(segment) ?? []);
    const chunk = next ?? chunks.length - 1;
    const problem = `no chunk has the segment '${missing}'`;
    throw planContradiction({ file, field: `chunks.${chunk}.segments`, problem, fix: `add it to chunk ${chunk}` });
  }
  const planned = chunks.flatMap((chunk) => chunk.segments);
  const at = planned.findIndex((segment, i) => segment !== segments[i]);
  if (at < 0) return;
  throw planContradiction({
    file,
    field: `chunks.${chunkOf.get(planned[at])}.segments`,
    problem: `the segment '${planned[at]}' comes before '${segments[at]}', which it reads`,
    why: 'chunks run in order, each one run of the model',
    fix: `write '${segments[at]}' there, and '${planned[at]}' after what it follows in the model`,
  });
}

function checkSplit(
  { split, bounds, groups }: Plan,
  sizes: PlannedModel['sizes'],
  axes: readonly string[],
  file: string,
): void {
  const factors = Object.keys(sizes);
  const known = (factor: FactorName, field: string) => {
    if (!factors.includes(factor)) throw planUnknownName({ file, field, kind: 'factor', name: factor, known: factors });
  };
  for (const [factor, over] of Object.entries(split)) {
    const field = `split.${factor}`;
    known(factor, field);
    for (const axis of over) {
      if (!axes.includes(axis)) throw planUnknownName({ file, field, kind: 'axis', name: axis, known: axes });
    }
    requireOnce(over, `'${factor}' is split`, { file, field });
  }
  for (const [factor, cut] of Object.entries(bounds)) {
    const field = `bounds.${factor}`;
    known(factor, field);
    const over = split[factor];
    if (over === undefined) {
      const problem = `'${factor}' has boundaries and is not split`;
      throw planContradiction({ file, field, problem, fix: `remove ${field}, or add split.${factor}` });
    }
    for (const [name, { mesh }] of Object.entries(groups)) {
      const parts = over.filter((axis) => axis in mesh).reduce((n, axis) => n * mesh[axis], 1);
      if (parts === 1) continue;
      for (const size of sizes[factor]) {
        const problem = boundsFault(cut, size, parts);
        if (problem === null) continue;
        const even = JSON.stringify(evenBounds(size, parts));
        const why = `it has ${counted(size, 'element')}, and group ${name} cuts it in ${parts}`;
        throw planContradiction({
          file,
          field,
          problem: `the boundaries [${cut.join(', ')}] of '${factor}' ${problem}`,
          why,
          fix: `write ${parts + 1} boundaries from 0 to ${size}; even ones are ${even}`,
        });
      }
    }
  }
}

function checkZeroAxes({ zero }: Plan, axes: readonly string[], file: string): void {
  const unknown = zero.axes.findIndex((axis) => !axes.includes(axis));
  if (unknown >= 0) {
    const name = zero.axes[unknown];
    throw planUnknownName({ file, field: `zero.axes.${unknown}`, kind: 'axis', name, known: axes });
  }
  requireOnce(zero.axes, 'ZeRO is to split', { file, field: 'zero.axes' });
}

/** No axis is named twice. `what`: is split over them. */
function requireOnce(
  over: readonly string[],
  what: string,
  at: { readonly file: string; readonly field: string },
): void {
  const twice = over.find((axis, i) => over.indexOf(axis) !== i);
  if (twice === undefined) return;
  const once = JSON.stringify([...new Set(over)]);
  throw planContradiction({ ...at, problem: `${what} over '${twice}' twice`, fix: `write ${once}` });
}

function boundsFault(bounds: readonly number[], size: number, parts: number): string | null {
  if (bounds.length !== parts + 1) return `make ${counted(bounds.length - 1, 'part')} and not ${parts}`;
  if (bounds[0] !== 0) return `begin at ${bounds[0]} and not at 0`;
  if (bounds[parts] !== size) return `end at ${bounds[parts]} and not at ${size}`;
  return bounds.every((bound, i) => i === 0 || bound >= bounds[i - 1]) ? null : 'decrease';
}

/** An axis that splits nothing makes its ranks do the same work (ZeRO shares state, not work); one that splits too little, some none. */
function checkAxesAreUsed({ groups, split }: Plan, { sizes }: PlannedModel, file: string): void {
  for (const [group, { mesh }] of Object.entries(groups)) {
    for (const axis of Object.keys(mesh).filter((name) => mesh[name] > 1)) {
      const factors = Object.keys(split).filter((factor) => split[factor].includes(axis));
      const field = `groups.${group}.mesh.${axis}`;
      const problem = `the ${mesh[axis]} ranks along '${axis}' share nothing`;
      if (factors.length === 0) {
        const why = 'no factor is split over it: all of them would do the same work';
        const fix = `set its size to 1, or split a factor over it, such as "microbatch": ["${axis}"]`;
        throw planContradiction({ file, field, problem, why, fix });
      }
      const largest = factors.map((factor) => mostParts(factor, split[factor].length > 1 ? null : sizes));
      const most = Math.max(...largest);
      if (most >= mesh[axis]) continue;
      throw planContradiction({
        file,
        field,
        problem: `of the ${mesh[axis]} ranks along '${axis}' some would have nothing to do`,
        why: factors.map((factor, k) => `'${factor}' has ${counted(largest[k], 'element')}`).join(', '),
        fix: `set its size to ${most} or less, or split a larger factor over it`,
      });
    }
  }
}

/** The parts that a factor of the model can be cut in. What sequences have is no limit: a step with few of them leaves ranks idle, and trains. */
const mostParts = (factor: FactorName, sizes: PlannedModel['sizes'] | null): number =>
  sizes === null || factor === 'sequence' ? Infinity : Math.max(...(sizes[factor] ?? [Infinity]));

function checkNumbers({ batch, precision }: Plan, file: string): void {
  if (batch.padding >= batch.logical_microbatches) {
    throw planContradiction({
      file,
      field: 'batch.padding',
      problem: `${batch.padding} of the last ${batch.logical_microbatches} logical microbatches are padding`,
      why: 'a scheduled microbatch with nothing to compute is none',
      fix: `set it to ${batch.logical_microbatches - 1} or less`,
    });
  }
  if ((precision.compute === 'f64') !== (precision.master === 'f64')) {
    const master = precision.compute === 'f64' ? 'f64' : 'f32';
    throw planContradiction({
      file,
      field: 'precision.master',
      problem: `a plan that computes in ${precision.compute} has parameters in ${precision.master}`,
      fix: `set it to "${master}"`,
    });
  }
  requireGradientDtype(precision, { file, field: 'precision.gradients' });
}
