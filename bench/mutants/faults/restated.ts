/**
 * A move left out or changed, and the layouts of values stated anew so that what is nearest to it agrees: what a wrong partitioner, whose
 * statements are as wrong as its instructions, would make.
 */
import type { Layout } from '../../../src/ir/layout.js';
import { factorsOf } from '../../../src/ir/type.js';
import type {
  CollectiveInstruction,
  KernelInstruction,
  MoveInstruction,
  Program,
  ValueIndex,
} from '../../../src/program/program.js';
import { editBody, editValue, reads, replaceAt, sitesOf, withValue, writes, type Site } from '../edit.js';
import type { Mutation, Mutations } from '../mutant.js';
import type { Random } from '../random.js';
import { isCollective, isMove, mutant, onOne } from './site.js';

export const restated: Mutations = {
  /** What a move reads is said to lie as its result does, and is read in its place: unreduced sums, unmasked biases, unsorted tokens. */
  believe_moved: onOne(
    (x) => isMove(x) || isCollective(x),
    (program, site, random) => {
      const { input, output } = site.instruction as MoveInstruction;
      const { values } = program.classes[site.c];
      if (sizesText(values[input.value].type) !== sizesText(values[output.value].type)) return null;
      const rewired = editBody(program, site, (body) =>
        body.map((x) => withValue(x, output.value, input.value, 'read')),
      );
      const bare = replaceAt(rewired, site);
      const { layout, global } = values[output.value];
      const said = random.chance(0.7)
        ? editValue(bare, site.c, input.value, (value) => ({ ...value, layout, global }))
        : bare;
      return mutant(random.chance(0.5) ? assignedAnew(said, site, input.value, layout) : said, site);
    },
  ),
  reduce_over_others: reducedOverOthers(() => true),
  /** The denominator of a mean, the norm that gradients are clipped by: over another group. */
  count_over_others: reducedOverOthers(({ global }) => factorsOf(global).length === 0),
  /** Where what an op reads or makes lies otherwise: its assignment, and the layouts of what it makes, lack an axis. */
  forget_an_axis: onOne(
    (x) => x.kind === 'kernel' && Object.values(x.assignment.splits).some(({ axes }) => axes.length > 0),
    (program, site, random) => {
      const kernel = site.instruction as KernelInstruction;
      const axis = random.pick(Object.values(kernel.assignment.splits).flatMap(({ axes }) => axes));
      const splits = Object.fromEntries(
        Object.entries(kernel.assignment.splits).map(([name, { axes }]) => [
          name,
          { axes: axes.filter((one) => one !== axis) },
        ]),
      );
      const assignment = { ...kernel.assignment, splits };
      const without = (layout: Layout): Layout => ({
        splits: Object.fromEntries(
          Object.entries(layout.splits).flatMap(([name, { axes }]) =>
            axes.includes(axis) ? [] : [[name, layout.splits[name]]],
          ),
        ),
        partial: Object.fromEntries(Object.entries(layout.partial).filter(([one]) => one !== axis)),
      });
      const told = random.chance(0.5) ? [...reads(kernel), ...writes(kernel)] : writes(kernel);
      const changed = told.reduce(
        (all, value) => editValue(all, site.c, value, (one) => ({ ...one, layout: without(one.layout) })),
        replaceAt(program, site, { ...kernel, assignment }),
      );
      return mutant(changed, site);
    },
  ),
};

/** Over one axis of several, or over one more; the operand is said to be partial over just these. */
function reducedOverOthers(fits: (collective: CollectiveInstruction) => boolean): Mutation {
  return onOne(
    (x) => x.kind === 'collective' && x.reduction !== null && fits(x),
    (program, site, random) => {
      const collective = site.instruction as CollectiveInstruction;
      const { mesh } = program.groups[program.classes[site.c].group];
      const axes = chosenAxes(
        mesh.axes.map(({ name }) => name),
        collective.axes,
        random,
      );
      if (!axes) return null;
      const partial = (layout: Layout, over: readonly string[]): Layout => {
        const others = Object.entries(layout.partial).filter(([axis]) => !collective.axes.includes(axis));
        const these = over.map((axis) => [axis, collective.reduction!] as const);
        return { ...layout, partial: Object.fromEntries([...others, ...these]) };
      };
      const { move } = collective;
      const from = partial(move.from, axes);
      const lane = `group:${[...axes].sort().join('*')}` as const;
      const changed = { ...collective, axes, lane, move: { ...move, axes, from } };
      const said = editValue(replaceAt(program, site, changed), site.c, collective.input.value, (value) => ({
        ...value,
        layout: from,
      }));
      return mutant(random.chance(0.5) ? assignedAnew(said, site, collective.input.value, from) : said, site);
    },
  );
}

/** Makers of a value are said to split no factor over axes over which it is no longer partial. */
function assignedAnew(program: Program, { c, t }: Site, value: ValueIndex, layout: Layout): Program {
  const makers = sitesOf(program, (x) => x.kind === 'kernel' && writes(x).includes(value)).filter(
    (one) => one.c === c && one.t === t,
  );
  return makers.reduce((all, maker) => {
    const kernel = maker.instruction as KernelInstruction;
    const { rule, assignment } = kernel;
    const kept = new Set(rule.results.flat());
    const splits = Object.fromEntries(
      Object.entries(assignment.splits).map(([name, split]) => [
        name,
        kept.has(name) ? split : { ...split, axes: split.axes.filter((axis) => layout.partial[axis] !== undefined) },
      ]),
    );
    return replaceAt(all, maker, { ...kernel, assignment: { ...assignment, splits } });
  }, program);
}

function chosenAxes(all: readonly string[], has: readonly string[], random: Random): readonly string[] | null {
  const others = all.filter((axis) => !has.includes(axis));
  const able = [
    ...(has.length > 1 ? [has.slice(1), has.slice(0, -1)] : []),
    ...others.flatMap((axis) => [[axis], all.filter((one) => one === axis || has.includes(one))]),
  ];
  return able.length === 0 ? null : random.pick(able);
}

const sizesText = ({ dims }: { readonly dims: readonly (readonly { readonly size: number }[])[] }): string =>
  dims
    .flat()
    .map(({ size }) => size)
    .join();
