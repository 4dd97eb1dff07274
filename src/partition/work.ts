/**
 * Work by group: what the busiest rank computes over what an even share would be.
 *
 *   share = max over ranks Σ flops(op on the rank's block) / (Σ flops(op on the whole) / ranks)
 *
 * 1 where everything is split evenly; 2 where two ranks do the same. Nothing here is priced: flops are those of the ops' own rules, of
 * attention those of the pairs that its mask leaves the rank.
 */
import { rangeOf, boundsOf } from '../ir/layout.js';
import { axesSize, coordinatesOf, meshRanks, type AxisName, type Coordinates, type Mesh } from '../ir/mesh.js';
import { flopsOfBlock, opNamed, wholeOf, type OpRegistry } from '../ir/op.js';
import { splitOf } from '../ir/rule.js';
import type { PlacedGraph, PlacedOp } from './placed.js';

export interface GroupWork {
  readonly ranks: number;
  /** Of the group's ops on whole values. */
  readonly flops: number;
  /** Of the rank that has the most. */
  readonly busiestFlops: number;
  /** `busiestFlops` over an even share of `flops`; 1 where the group computes nothing. */
  readonly share: number;
  /** What is computed more than once, most first: the op, the axes along which ranks do the same, and the flops beyond one time. */
  readonly repeated: readonly RepeatedWork[];
}

export interface RepeatedWork {
  readonly op: string;
  readonly axes: readonly AxisName[];
  readonly extraFlops: number;
}

/** The work of each group in one run of the graph. */
export function workByGroup(graph: PlacedGraph, registry: OpRegistry): readonly GroupWork[] {
  return graph.meshes.map((mesh, group) => {
    const steps = graph.steps.filter((step): step is PlacedOp => step.kind === 'op' && step.group === group);
    const ranks = meshRanks(mesh);
    const whole = steps.reduce((flops, step) => flops + flopsOf(step, registry, null), 0);
    const busiest = busiestFlops(mesh, steps, registry);
    return {
      ranks,
      flops: whole,
      busiestFlops: busiest,
      share: whole === 0 ? 1 : busiest / (whole / ranks),
      repeated: repeatedWork(mesh, steps, registry),
    };
  });
}

/** The axes along which ranks compute the same in an op: those that split none of its factors, and are no axis of one rank. */
export function repeatedAxes(mesh: Mesh, { assignment }: Pick<PlacedOp, 'assignment'>): readonly AxisName[] {
  const used = new Set(Object.values(assignment.splits).flatMap(({ axes }) => axes));
  return mesh.axes.filter(({ name, size }) => size > 1 && !used.has(name)).map(({ name }) => name);
}

/** Only uneven splits, and ops that skip by place, tell ranks apart: the others' work is counted once for all of them. */
function busiestFlops(mesh: Mesh, steps: readonly PlacedOp[], registry: OpRegistry): number {
  const first = coordinatesOf(mesh, 0);
  const uneven: PlacedOp[] = [];
  const even: PlacedOp[] = [];
  for (const step of steps) (tellsApart(mesh, step, registry) ? uneven : even).push(step);
  const common = even.reduce((flops, step) => flops + flopsOf(step, registry, { mesh, at: first }), 0);
  let most = 0;
  for (let rank = 0; rank < meshRanks(mesh); rank++) {
    const at = coordinatesOf(mesh, rank);
    most = Math.max(
      most,
      uneven.reduce((flops, step) => flops + flopsOf(step, registry, { mesh, at }), 0),
    );
  }
  return common + most;
}

function tellsApart(mesh: Mesh, { op, rule, assignment }: PlacedOp, registry: OpRegistry): boolean {
  if (opNamed(registry, op).flopsAt) return true;
  return Object.entries(assignment.splits).some(([factor, split]) => {
    const bounds = boundsOf(mesh, split, rule.factors[factor].size);
    return bounds.some((bound, i) => i > 0 && bound - bounds[i - 1] !== bounds[1] - bounds[0]);
  });
}

function repeatedWork(mesh: Mesh, steps: readonly PlacedOp[], registry: OpRegistry): readonly RepeatedWork[] {
  const found = new Map<string, RepeatedWork>();
  for (const step of steps) {
    const axes = repeatedAxes(mesh, step);
    const extraFlops = (axesSize(mesh, axes) - 1) * flopsOf(step, registry, null);
    if (extraFlops === 0) continue;
    const key = `${step.op} ${axes.join('*')}`;
    found.set(key, { op: step.op, axes, extraFlops: (found.get(key)?.extraFlops ?? 0) + extraFlops });
  }
  return [...found.values()].sort((a, b) => b.extraFlops - a.extraFlops);
}

/** The flops of an op on the block of one rank; null: on whole values. */
function flopsOf(
  { op, rule, attributes, assignment }: PlacedOp,
  registry: OpRegistry,
  rank: { readonly mesh: Mesh; readonly at: Coordinates } | null,
): number {
  const block = rank
    ? Object.fromEntries(
        Object.entries(rule.factors).map(([name, { size }]) => [
          name,
          rangeOf(rank.mesh, splitOf(rule, assignment, name), size, rank.at),
        ]),
      )
    : wholeOf(rule);
  return flopsOfBlock(opNamed(registry, op), rule, block, attributes);
}
