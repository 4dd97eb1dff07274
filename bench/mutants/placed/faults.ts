/**
 * What a wrong partitioner would make: its steps are wrong and its statements agree with them as far as they can. A program made of such
 * a graph would be proved equal to it, so it is here that it must be told.
 */
import type { Layout } from '../../../src/ir/layout.js';
import { factorsOf } from '../../../src/ir/type.js';
import {
  makersOf,
  type PlacedGraph,
  type PlacedMove,
  type PlacedOp,
  type PlacedStep,
  type PlacedValue,
} from '../../../src/partition/placed.js';
import type { Scope } from '../../../src/plan/scope.js';
import type { Random } from '../random.js';
import { changedAttributes } from '../faults/meaning.js';
import { placedAxes } from './axes.js';
import { packed } from './packed.js';
import {
  lookalikes,
  onStep,
  readAnother,
  replaceStep,
  reread,
  restate,
  skipMove,
  withCopy,
  type PlacedMutations,
} from './edit.js';

const any = (): boolean => true;
const isShort = (scope: Scope): boolean => scope !== 'step' && scope !== 'microbatch';
const reduces = ({ move }: PlacedMove): boolean => move.kind === 'all_reduce' || move.kind === 'reduce_scatter';
const isAllReduce = ({ move }: PlacedMove): boolean => move.kind === 'all_reduce';

export const placedFaults: PlacedMutations = {
  ...packed,
  ...placedAxes,
  /** What a move reads is read in its place, and in half of the cases said to lie as its result does. */
  skip_move: onStep('move', any, skipMove),
  skip_transfer: onStep('transfer', any, (graph, { at, step }, random) => {
    const others = lookalikes(graph, step.outputs[0], at);
    return others.length === 0 ? null : reread(replaceStep(graph, at), step.outputs[0], random.pick(others));
  }),
  /** Another value travels under the name of this one. */
  send_another: onStep('transfer', any, (graph, { at, step }, random) => {
    const others = lookalikes(graph, step.inputs[0], at);
    return others.length === 0 ? null : replaceStep(graph, at, { ...step, inputs: [random.pick(others)] });
  }),
  reduce_over_others: onStep('move', reduces, (graph, { at, step }, random) => {
    const { move } = step;
    const all = graph.meshes[step.group].axes.map(({ name }) => name);
    const axes = random.pick([all.filter((axis) => !move.axes.includes(axis)), move.axes.slice(1), all]);
    if (axes.length === 0 || String(axes) === String(move.axes)) return null;
    const others = Object.entries(move.from.partial).filter(([axis]) => !move.axes.includes(axis));
    const partial = Object.fromEntries([...others, ...axes.map((axis) => [axis, move.reduction!] as const)]);
    const from = { ...move.from, partial };
    const changed = replaceStep(graph, at, { ...step, move: { ...move, axes, from } });
    return random.chance(0.5) ? changed : restate(changed, step.inputs[0], from);
  }),
  wrong_reduction: onStep('move', reduces, (graph, { at, step }) => {
    const reduction = step.move.reduction === 'sum' ? ('max' as const) : ('sum' as const);
    return replaceStep(graph, at, { ...step, move: { ...step.move, reduction } });
  }),
  reduce_again: onStep('move', isAllReduce, (graph, { at, step }) => {
    const { graph: wider, copy } = withCopy(graph, step.outputs[0]);
    const again: PlacedMove = { ...step, inputs: [step.outputs[0]], outputs: [copy] };
    return replaceStep(reread(wider, step.outputs[0], copy, at), at, step, again);
  }),
  /** A bias counted once a rank: an op reads a rank's part of a sum, which its rule may be told to be linear in, and what it makes is reduced. */
  reduce_behind_the_reader: onStep('move', isAllReduce, (graph, { at, step }, random) => {
    const [sum, part] = [step.outputs[0], step.inputs[0]];
    const readers = graph.steps.flatMap((one, i) =>
      one.kind === 'op' && one.inputs.includes(sum) && i > at ? [{ one, i }] : [],
    );
    if (readers.length === 0) return null;
    const { one, i } = random.pick(readers);
    const [result] = one.outputs;
    const { graph: wider, copy } = withCopy(graph, result);
    const partial = (layout: Layout): Layout => ({
      ...layout,
      partial: { ...layout.partial, ...Object.fromEntries(step.move.axes.map((axis) => [axis, step.move.reduction!])) },
    });
    const from = partial(graph.values[result].layout);
    const operand = one.inputs.indexOf(sum);
    const { linear } = one.rule;
    const told = linear.some((set) => set.includes(operand)) || random.chance(0.5) ? linear : [...linear, [operand]];
    const carries = told.findIndex((set) => set.includes(operand));
    const through = Object.fromEntries(step.move.axes.map((axis) => [axis, carries]));
    const early: PlacedOp = {
      ...one,
      rule: told === linear ? one.rule : { ...one.rule, linear: told },
      inputs: one.inputs.map((id) => (id === sum ? part : id)),
      assignment:
        carries < 0 ? one.assignment : { ...one.assignment, through: { ...one.assignment.through, ...through } },
    };
    const late: PlacedMove = {
      ...step,
      move: { ...step.move, from, to: graph.values[result].layout },
      inputs: [result],
      outputs: [copy],
    };
    return replaceStep(restate(reread(wider, result, copy, i), result, from), i, early, late);
  }),
  change_move: onStep('move', any, (graph, { at, step }, random) => {
    const moves = graph.steps.flatMap((one) => (one.kind === 'move' && one !== step ? [one.move] : []));
    return moves.length === 0 ? null : replaceStep(graph, at, { ...step, move: random.pick(moves) });
  }),
  wrong_operand: onStep('op', any, (graph, place, random) =>
    readAnother(graph, place, [...place.step.inputs.keys()], random),
  ),
  swap_operands: onStep(
    'op',
    ({ inputs }) => inputs.length > 1,
    (graph, { at, step }, random) => {
      const k = random.int(step.inputs.length - 1);
      const inputs = step.inputs.map((id, i) => (i === k ? step.inputs[k + 1] : i === k + 1 ? step.inputs[k] : id));
      return replaceStep(graph, at, { ...step, inputs });
    },
  ),
  /** A denominator, a norm, a rate that is another scalar, or one not yet summed. */
  wrong_count: onStep('op', any, (graph, place, random) => {
    const { inputs } = place.step;
    const scalars = inputs.flatMap((id, k) => (factorsOf(graph.values[id].type).length === 0 ? [k] : []));
    return readAnother(graph, place, scalars, random);
  }),
  /** A bucket of the norm, a group's part of a tied weight's gradient, a residual branch. */
  leave_out_a_term: onStep(
    'op',
    ({ op }) => op === 'add',
    (graph, { at, step }, random) => reread(replaceStep(graph, at), step.outputs[0], random.pick(step.inputs)),
  ),
  apply_twice: onStep('op', any, (graph, { at, step }, random) => {
    const text = (id: number) => JSON.stringify([graph.values[id].type, graph.values[id].layout]);
    const alike = step.inputs.flatMap((id, k) => (text(id) === text(step.outputs[0]) ? [k] : []));
    if (alike.length === 0 || step.outputs.length > 1) return null;
    const k = random.pick(alike);
    const { graph: wider, copy } = withCopy(graph, step.outputs[0]);
    const inputs = step.inputs.map((id, i) => (i === k ? step.outputs[0] : id));
    return replaceStep(reread(wider, step.outputs[0], copy, at), at, step, { ...step, inputs, outputs: [copy] });
  }),
  change_attribute: onStep('op', any, (graph, { at, step }, random) => {
    const attributes = changedAttributes(step.attributes, random);
    return attributes && replaceStep(graph, at, { ...step, attributes });
  }),
  /** What is made again is made with the attributes of another use of its op: another random stream, another axis. */
  other_stream_again: onStep('op', any, (graph, { at, step }, random) => {
    if (graph.values[step.outputs[0]].scope !== 'backward') return null;
    const text = (one: unknown) => JSON.stringify(one);
    const others = graph.steps.flatMap((one) =>
      one.kind === 'op' && one.op === step.op && text(one.attributes) !== text(step.attributes) ? [one.attributes] : [],
    );
    return others.length === 0 ? null : replaceStep(graph, at, { ...step, attributes: random.pick(others) });
  }),
  /** What a microbatch makes is said to be the same for all. */
  keep_for_the_step: (graph, random) => keptFor(graph, graph.steps, 'step', random),
  /** What is made is said to be gone sooner than its last reader comes. */
  keep_less_long: (graph, random) => {
    const makers = makersOf(graph);
    const place = ({ source: { segment, phase } }: PlacedStep) => `${segment} ${phase}`;
    const leaving = graph.steps.flatMap((reader) =>
      reader.inputs.flatMap((id) => {
        const maker = makers.get(id);
        return maker && place(maker) !== place(reader) ? [maker] : [];
      }),
    );
    return keptFor(graph, leaving, random.pick(['segment and direction', 'slot', 'backward'] as const), random);
  },
  /** What was made for another segment or direction, or in the forward. */
  read_another_instance: (graph, random) => {
    const derived = new Set(graph.values.flatMap(({ id, scope }) => (isShort(scope) ? [id] : [])));
    const text = ({ type, layout, group }: PlacedValue) => JSON.stringify([type, layout, group]);
    const places = graph.steps.flatMap((step, at) =>
      step.inputs.flatMap((id, k) => (derived.has(id) ? [{ step, at, id, k }] : [])),
    );
    if (places.length === 0) return null;
    const { step, at, id, k } = random.pick(places);
    const name = (value: PlacedValue) => value.name.split(/ again| in /)[0];
    const others = lookalikes(graph, id, at).filter(
      (one) => text(graph.values[one]) === text(graph.values[id]) && name(graph.values[one]) === name(graph.values[id]),
    );
    if (others.length === 0) return null;
    const inputs = step.inputs.map((input, i) => (i === k ? random.pick(others) : input));
    return replaceStep(graph, at, { ...step, inputs } as PlacedStep);
  },
  /** The step gives what it has made again, or for one segment. */
  give_derived: (graph, random) => {
    const given = graph.outputs.flatMap(({ value }, k) =>
      graph.values[value].scope === 'microbatch' ? [{ value, k }] : [],
    );
    if (given.length === 0) return null;
    const { value, k } = random.pick(given);
    const scope = random.pick(['segment and direction', 'slot', 'backward'] as const);
    const maker = graph.steps.findIndex(({ outputs }) => outputs.includes(value));
    if (maker < 0) return null;
    const { graph: wider, copy } = withCopy(graph, value);
    const step = graph.steps[maker];
    const outputs = step.outputs.map((id) => (id === value ? copy : id));
    if (step.outputs.length > 1) return null;
    const twice = replaceStep(wider, maker, step, { ...step, outputs } as PlacedStep);
    return {
      ...twice,
      values: twice.values.map((one) => (one.id === copy ? { ...one, scope } : one)),
      outputs: twice.outputs.map((output, i) => (i === k ? { ...output, value: copy } : output)),
    };
  },
  drop_origins: onStep(
    'op',
    ({ rule, assignment }) => rule.origins.some((name) => (assignment.splits[name]?.axes.length ?? 0) > 0),
    (graph, { at, step }) => replaceStep(graph, at, { ...step, rule: { ...step.rule, origins: [] } }),
  ),
  /** An op is said not to be split over an axis, and what it makes to lie so. */
  forget_an_axis: onStep(
    'op',
    ({ assignment }) => Object.values(assignment.splits).some(({ axes }) => axes.length > 0),
    (graph, { at, step }, random) => {
      const axis = random.pick(Object.values(step.assignment.splits).flatMap(({ axes }) => axes));
      const splits = Object.fromEntries(
        Object.entries(step.assignment.splits).filter(([, { axes }]) => !axes.includes(axis)),
      );
      const changed = replaceStep(graph, at, { ...step, assignment: { ...step.assignment, splits } });
      return step.outputs.reduce((all, id) => restate(all, id, without(graph.values[id].layout, axis)), changed);
    },
  ),
  /** A partial sum is said to pass through an op by other operands, or not to. */
  carry_otherwise: onStep('op', any, (graph, { at, step }, random) => {
    const axes = graph.meshes[step.group].axes.map(({ name }) => name);
    if (axes.length === 0) return null;
    const axis = random.pick(axes);
    const { [axis]: carried, ...rest } = step.assignment.through;
    if (carried === undefined && step.rule.linear.length === 0) return null;
    const through = carried === undefined ? { ...rest, [axis]: random.int(step.rule.linear.length) } : rest;
    const changed = replaceStep(graph, at, { ...step, assignment: { ...step.assignment, through } });
    if (random.chance(0.4)) return changed;
    return step.outputs.reduce((all, id) => {
      const { layout } = graph.values[id];
      const partial = { ...without(layout, axis).partial, ...(carried === undefined && { [axis]: 'sum' as const }) };
      return restate(all, id, { ...layout, partial });
    }, changed);
  }),
  /** A gradient under another's name, a loss that is the count. */
  swap_outputs: (graph, random) => {
    const pairs = graph.outputs.flatMap((a, i) =>
      graph.outputs.flatMap((b, j) => (i < j && sameShape(graph, a.value, b.value) ? [[i, j] as const] : [])),
    );
    if (pairs.length === 0) return null;
    const [i, j] = random.pick(pairs);
    const { outputs } = graph;
    const value = (k: number) => outputs[k === i ? j : k === j ? i : k].value;
    return { ...graph, outputs: outputs.map((output, k) => ({ ...output, value: value(k) })) };
  },
  /** What is given is another version: one not yet reduced, a value before its update. */
  give_another: (graph, random) => {
    const k = random.int(graph.outputs.length);
    const others = lookalikes(graph, graph.outputs[k].value, graph.steps.length);
    if (others.length === 0) return null;
    return {
      ...graph,
      outputs: graph.outputs.map((one, i) => (i === k ? { ...one, value: random.pick(others) } : one)),
    };
  },
};

const without = (layout: Layout, axis: string): Layout => ({
  splits: Object.fromEntries(Object.entries(layout.splits).filter(([, { axes }]) => !axes.includes(axis))),
  partial: Object.fromEntries(Object.entries(layout.partial).filter(([one]) => one !== axis)),
});

const sameShape = ({ values }: PlacedGraph, a: number, b: number): boolean => {
  const text = (id: number) =>
    `${values[id].type.dtype} ${factorsOf(values[id].type)
      .map(({ size }) => size)
      .join()}`;
  return a !== b && text(a) === text(b);
};

/** What a random one of some steps makes is said to be kept so long. */
function keptFor(graph: PlacedGraph, of: readonly PlacedStep[], scope: Scope, random: Random): PlacedGraph | null {
  const steps = of.filter(({ outputs }) => outputs.every((id) => graph.values[id].scope !== scope));
  if (steps.length === 0) return null;
  const { outputs } = random.pick(steps);
  return { ...graph, values: graph.values.map((one) => (outputs.includes(one.id) ? { ...one, scope } : one)) };
}
