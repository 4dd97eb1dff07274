/** Wrong loops: text of equal layers that is written once, and what changes from one iteration to the next. */
import type { Loop, Program, Repeated, Strides } from '../../../src/program/program.js';
import { editClass } from '../edit.js';
import type { Mutation, Mutations } from '../mutant.js';
import type { Random } from '../random.js';

export const loops: Mutations = {
  /** Attributes of the iterations in another order. */
  reverse_column: onRepeated(({ attributes }) => {
    if (!attributes) return null;
    const reversed = Object.entries(attributes).map(([name, column]) => [name, [...column].reverse()] as const);
    return { attributes: Object.fromEntries(reversed) };
  }),
  wrong_stride: onRepeated(({ operands }, random) => {
    if (!operands) return null;
    const at = random.int(operands.length);
    const by = random.pick([1, -1]);
    return { operands: operands.map((stride, k) => (k === at ? stride + by : stride)) };
  }),
  fewer_iterations: onLoop((loop) => ({ ...loop, times: loop.times - 1 })),
};

/** Applies a change to how a random instruction of a loop goes on from iteration to iteration. */
function onRepeated(change: (strides: Strides, random: Random) => Partial<Strides> | null): Mutation {
  return onLoop((loop, random) => {
    const able = loop.body.flatMap(({ strides }, k) => {
      const changed = change(strides, random);
      return changed ? [{ k, changed }] : [];
    });
    if (able.length === 0) return null;
    const { k, changed } = random.pick(able);
    const body = loop.body.map((one, i): Repeated =>
      i === k ? { ...one, strides: { ...one.strides, ...changed } } : one,
    );
    return { ...loop, body };
  });
}

function onLoop(change: (loop: Loop, random: Random) => Loop | null): Mutation {
  return (program, random) => {
    const loops = program.classes.flatMap(({ templates }, c) =>
      templates.flatMap(({ body }, t) => body.flatMap((loop, at) => (loop.kind === 'for' ? [{ c, t, at, loop }] : []))),
    );
    if (loops.length === 0) return null;
    const { c, t, at, loop } = random.pick(loops);
    const changed = change(loop, random);
    return changed && { program: withLoop(program, c, t, at, changed), aims: [] };
  };
}

function withLoop(program: Program, c: number, t: number, at: number, loop: Loop): Program {
  return editClass(program, c, (rankClass) => ({
    ...rankClass,
    templates: rankClass.templates.map((template, i) =>
      i === t ? { ...template, body: template.body.map((entry, k) => (k === at ? loop : entry)) } : template,
    ),
  }));
}
