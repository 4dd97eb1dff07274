/** Wrong views: what moves no bytes and yet means something. */
import { bytesOf, elementsOf } from '../../../src/ir/type.js';
import type { RankClass, ValueView, ViewOp } from '../../../src/program/program.js';
import { editValue, lookalikes, scoped } from '../edit.js';
import type { Mutation, Mutations } from '../mutant.js';
import type { Random } from '../random.js';
import { changedAttributes } from './meaning.js';

export const views: Mutations = {
  change_view: (program, random) => {
    const views = program.classes.flatMap(({ values }, c) =>
      values.flatMap((value, index) => (value.view ? [{ c, index, made: value.view.made !== null }] : [])),
    );
    if (views.length === 0) return null;
    const { c, index } = random.pick(views.some((v) => v.made) ? views.filter((v) => v.made) : views);
    const shift = random.pick([1, 2, -1]);
    const strides = random.chance(0.5);
    const changed = editValue(program, c, index, (value) => {
      const { view } = value;
      if (strides) return { ...value, view: { ...view!, strides: [...view!.strides].reverse() } };
      return { ...value, view: { ...view!, offset: Math.max(0, view!.offset + shift) } };
    });
    const before = program.classes[c].values[index].view!;
    const after = changed.classes[c].values[index].view!;
    const same = before.offset === after.offset && String(before.strides) === String(after.strides);
    return same ? null : { program: changed, aims: [] };
  },
  reorder_bucket: (program, random) => {
    const buckets = program.classes.flatMap(({ values }, c) =>
      values.flatMap(({ parts }, index) => (parts && parts.length > 1 ? [{ c, index }] : [])),
    );
    if (buckets.length === 0) return null;
    const { c, index } = random.pick(buckets);
    const { parts, view } = program.classes[c].values[index];
    const i = random.int(parts!.length - 1);
    const order = parts!.map((part, k) => (k === i ? parts![i + 1] : k === i + 1 ? parts![i] : part));
    let offset = view?.offset ?? 0;
    let changed = editValue(program, c, index, (value) => ({ ...value, parts: order }));
    for (const part of order) {
      const start = offset;
      changed = editValue(changed, c, part, (value) => ({ ...value, view: { ...value.view!, offset: start } }));
      offset += elementsOf(program.classes[c].values[part].type);
    }
    return { program: changed, aims: [] };
  },
  wrong_target: (program, random) => {
    const updates = program.classes.flatMap(({ values }, c) =>
      values.flatMap((value, index) => (value.view && !value.view.made ? [{ c, index }] : [])),
    );
    if (updates.length === 0) return null;
    const { c, index } = random.pick(updates);
    const { values } = program.classes[c];
    const { of } = values[index].view!;
    const others = values.flatMap((value, i) =>
      i !== of &&
      !value.view &&
      value.lifetime === values[of].lifetime &&
      bytesOf(value.type) === bytesOf(values[of].type)
        ? [i]
        : [],
    );
    if (others.length === 0) return null;
    const target = random.pick(others);
    return { program: editValue(program, c, index, (v) => ({ ...v, view: { ...v.view!, of: target } })), aims: [] };
  },
  view_attribute: onView((made, _, random) => {
    const attributes = changedAttributes(made.attributes, random);
    return attributes && { made: { ...made, attributes } };
  }),
  /** Of other values than those that it says, in what it says or in what it shows too. */
  view_inputs: onView((made, view, random, rankClass) => {
    const i = random.int(made.inputs.length);
    const others = lookalikes(rankClass, made.inputs[i]).filter((other) => !rankClass.values[other].view);
    if (others.length === 0) return null;
    const other = random.pick(others);
    const inputs = made.inputs.map((input, k) => (k === i ? other : input));
    const shows = view.of === made.inputs[i] && random.chance(0.5);
    return { made: { ...made, inputs }, ...(shows && { of: other }) };
  }),
  /** Another of the op's results. */
  view_outputs: onView((made) => {
    const [first, ...rest] = made.outputs;
    return rest.length === 0 ? null : { made: { ...made, outputs: [...rest, first] } };
  }),
};

/** Applies a change to a random view that an op made. */
function onView(
  change: (made: ViewOp, view: ValueView, random: Random, rankClass: RankClass) => Partial<ValueView> | null,
): Mutation {
  return (original, random) => {
    const program = scoped(original, random);
    const views = program.classes.flatMap(({ values }, c) =>
      values.flatMap(({ view }, index) => (view?.made ? [{ c, index, view, made: view.made }] : [])),
    );
    if (views.length === 0) return null;
    const { c, index, view, made } = random.pick(views);
    const changed = change(made, view, random, program.classes[c]);
    return (
      changed && { program: editValue(program, c, index, (v) => ({ ...v, view: { ...view, ...changed } })), aims: [] }
    );
  };
}
