/**
 * What context and expert parallelism could get wrong: where a run of positions begins, which neighbour a ring sends to, whose expert a
 * gradient is of, what a token's experts weigh.
 */
import { boundsOf } from '../../../src/ir/layout.js';
import type { CollectiveInstruction, Instruction, KernelInstruction } from '../../../src/program/program.js';
import { laneAlong } from '../../../src/program/lane.js';
import { editBody, replaceAt, withValue } from '../edit.js';
import type { Mutations } from '../mutant.js';
import { isCollective, isKernel, mutant, onOne } from './site.js';

const isSplit = ({ rule, assignment }: KernelInstruction): boolean =>
  rule.origins.some((name) => (assignment.splits[name]?.axes.length ?? 0) > 0);

/** A token's experts are added up, each times its weight. */
export const combines = ({ op, rule }: Pick<KernelInstruction, 'op' | 'rule'>): boolean =>
  op === 'einsum' &&
  rule.operands.length === 2 &&
  rule.operands.every((names) => names.includes('choice')) &&
  !rule.results[0].includes('choice');

/** A step of a ring: whole blocks go round. */
const turns = (instruction: Instruction): boolean =>
  isCollective(instruction) && (instruction as CollectiveInstruction).move.kind === 'permute';

export const axes: Mutations = {
  /** A kernel is told that its block begins elsewhere: where another rank's does, or an element late. */
  wrong_origin: onOne(
    (x) => isKernel(x) && isSplit(x as KernelInstruction),
    (program, site, random) => {
      const kernel = site.instruction as KernelInstruction;
      const { rule, assignment } = kernel;
      const name = random.pick(rule.origins.filter((one) => (assignment.splits[one]?.axes.length ?? 0) > 0));
      const split = assignment.splits[name];
      const { mesh } = program.groups[program.classes[site.c].group];
      const others = mesh.axes.map((axis) => axis.name).filter((axis) => !split.axes.includes(axis));
      const bounds = boundsOf(mesh, split, rule.factors[name].size);
      const late = bounds.map((bound, i) =>
        i > 0 && i < bounds.length - 1 ? Math.min(bound + 1, bounds.at(-1)!) : bound,
      );
      const changed =
        others.length > 0 && random.chance(0.5) ? { axes: [random.pick(others)] } : { ...split, bounds: late };
      const splits = { ...assignment.splits, [name]: changed };
      return mutant(replaceAt(program, site, { ...kernel, assignment: { ...assignment, splits } }), site);
    },
  ),
  combine_without_weights: onOne(
    (x) => isKernel(x) && combines(x as KernelInstruction),
    (program, site) => {
      const kernel = site.instruction as KernelInstruction;
      const { rule, inputs } = kernel;
      const returned = rule.operands.findIndex((names) => rule.operands.every((other) => names.length >= other.length));
      const alone = { ...rule, operands: [rule.operands[returned]], linear: [[0]] };
      return mutant(replaceAt(program, site, { ...kernel, rule: alone, inputs: [inputs[returned]] }), site);
    },
  ),
  /** A ring is turned the other way. */
  swapped_neighbour: onOne(turns, (program, site) => {
    const instruction = site.instruction as CollectiveInstruction;
    const { move } = instruction;
    const changed = { ...instruction, move: { ...move, from: move.to, to: move.from } };
    return mutant(replaceAt(program, site, changed), site);
  }),
  /** What has come round so far is read in place of what comes next. */
  one_hop_too_few: onOne(turns, (program, site) => {
    const { input, output } = site.instruction as CollectiveInstruction;
    const rewired = editBody(program, site, (body) => body.map((x) => withValue(x, output.value, input.value, 'read')));
    return mutant(replaceAt(rewired, site), site);
  }),
  /** Ranks with other experts, or another part of a bucket, add theirs. */
  reduce_over_the_split_too: onOne(
    (x) => isCollective(x) && (x as CollectiveInstruction).move.kind === 'all_reduce',
    (program, site, random) => {
      const instruction = site.instruction as CollectiveInstruction;
      const { move } = instruction;
      const { mesh } = program.groups[program.classes[site.c].group];
      const split = Object.values(move.to.splits).flatMap((one) => one.axes);
      if (split.length === 0) return null;
      const wanted = [...move.axes, random.pick(split)];
      const all = mesh.axes.map(({ name }) => name).filter((name) => wanted.includes(name));
      const changed = { ...instruction, axes: all, move: { ...move, axes: all }, lane: laneAlong(all) };
      return mutant(replaceAt(program, site, changed), site);
    },
  ),
};
