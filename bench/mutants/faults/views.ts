/** Wrong views: what moves no bytes and yet means something. */
import { bytesOf, elementsOf } from '../../../src/ir/type.js';
import { editValue } from '../edit.js';
import type { Mutations } from '../mutant.js';

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
};
