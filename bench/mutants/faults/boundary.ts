/** What a class says of itself to whoever writes before a step and reads after it. */
import { dtypeBytes } from '../../../src/ir/dtype.js';
import { elementsOf, type TensorType } from '../../../src/ir/type.js';
import type { Contract, Program, ProgramValue } from '../../../src/program/program.js';
import { baseOf } from '../../../src/program/place.js';
import { editClass, editValue, lookalikes } from '../edit.js';
import type { Mutations } from '../mutant.js';

export const boundary: Mutations = {
  wrong_result_name: (program, random) => {
    const c = random.int(program.classes.length);
    const { results } = program.classes[c];
    const names = Object.keys(results);
    if (names.length < 2) return null;
    const [a, b] = [random.pick(names), random.pick(names)];
    if (a === b) return null;
    const swapped = { ...results, [a]: results[b], [b]: results[a] };
    return { program: editClass(program, c, (rankClass) => ({ ...rankClass, results: swapped })), aims: [] };
  },
  wrong_dtype: (program, random) => {
    const c = random.int(program.classes.length);
    const { values } = program.classes[c];
    const index = random.int(values.length);
    if (dtypeBytes[values[index].type.dtype] < 4 || values[index].lifetime === 'persistent') return null;
    const dtype = 'f32' as const;
    return {
      program: editValue(program, c, index, (v) => ({
        ...v,
        type: { ...v.type, dtype },
        global: { ...v.global, dtype },
      })),
      aims: [],
    };
  },
  /** A result is read where another value lies. */
  wrong_result_value: (program, random) => {
    const c = random.int(program.classes.length);
    const { results, values } = program.classes[c];
    const names = Object.keys(results);
    if (names.length === 0) return null;
    const name = random.pick(names);
    const others = lookalikes(program.classes[c], results[name]).filter((i) => outlasts(values, i));
    if (others.length === 0) return null;
    const changed = { ...results, [name]: random.pick(others) };
    return { program: editClass(program, c, (rankClass) => ({ ...rankClass, results: changed })), aims: [] };
  },
  drop_result: (program, random) => {
    const c = random.int(program.classes.length);
    const names = Object.keys(program.classes[c].results);
    if (names.length === 0) return null;
    const { [random.pick(names)]: _, ...results } = program.classes[c].results;
    return { program: editClass(program, c, (rankClass) => ({ ...rankClass, results })), aims: [] };
  },
  /** After a step something else is said to lie at an address, or what is there is said to be of another. */
  wrong_contract: (program, random) => {
    const c = random.int(program.classes.length);
    const { after } = program.classes[c];
    if (after.values.length === 0) return null;
    const i = random.int(after.values.length);
    const entry = after.values[i];
    const others = lookalikes(program.classes[c], entry.holds);
    if (others.length === 0) return null;
    const changed = { ...entry, holds: random.pick(others) };
    return {
      program: withAfter(
        program,
        c,
        after.values.map((one, k) => (k === i ? changed : one)),
      ),
      aims: [],
    };
  },
  swap_contract: (program, random) => {
    const c = random.int(program.classes.length);
    const { after, values } = program.classes[c];
    const pairs = after.values.flatMap((a, i) =>
      after.values.flatMap((b, j) => (i < j && sameBytes(values[a.at], values[b.at]) ? [[i, j] as const] : [])),
    );
    if (pairs.length === 0) return null;
    const [i, j] = random.pick(pairs);
    const holds = (k: number) => after.values[k === i ? j : k === j ? i : k].holds;
    return {
      program: withAfter(
        program,
        c,
        after.values.map((one, k) => ({ ...one, holds: holds(k) })),
      ),
      aims: [],
    };
  },
  drop_from_contract: (program, random) => {
    const c = random.int(program.classes.length);
    const { before, after } = program.classes[c];
    if (before.values.length === 0) return null;
    const { at } = random.pick(before.values);
    const without = ({ values }: Contract): Contract => ({ values: values.filter((one) => one.at !== at) });
    const changed = { before: without(before), after: without(after) };
    return { program: editClass(program, c, (rankClass) => ({ ...rankClass, ...changed })), aims: [] };
  },
  wrong_inputs: (program, random) => {
    const c = random.int(program.classes.length);
    const { inputs } = program.classes[c];
    if (inputs.length === 0) return null;
    const i = random.int(inputs.length);
    const others = random.chance(0.5) ? [] : lookalikes(program.classes[c], inputs[i]);
    const changed = inputs.flatMap((input, k) => (k !== i ? [input] : others.length > 0 ? [random.pick(others)] : []));
    return { program: editClass(program, c, (rankClass) => ({ ...rankClass, inputs: changed })), aims: [] };
  },
  /** Two values of one type have each other's names. */
  swap_names: (program, random) => {
    const c = random.int(program.classes.length);
    const { values } = program.classes[c];
    const stored = values.flatMap(({ lifetime }, i) => (lifetime === 'persistent' || lifetime === 'data' ? [i] : []));
    if (stored.length === 0) return null;
    const a = random.pick(stored);
    const others = lookalikes(program.classes[c], a).filter((i) => values[i].lifetime === values[a].lifetime);
    if (others.length === 0) return null;
    const b = random.pick(others);
    const renamed = editValue(program, c, a, (value) => ({ ...value, name: values[b].name }));
    return { program: editValue(renamed, c, b, (value) => ({ ...value, name: values[a].name })), aims: [] };
  },
  /** The table by which state is found in a bucket: two tensors' names, or two sizes, or the order. */
  wrong_tensors: (program, random) => {
    const buckets = program.classes.flatMap(({ values }, c) =>
      values.flatMap(({ tensors }, index) => (tensors && tensors.length > 1 ? [{ c, index, tensors }] : [])),
    );
    if (buckets.length === 0) return null;
    const { c, index, tensors } = random.pick(buckets);
    const i = random.int(tensors.length);
    const j = (i + 1 + random.int(tensors.length - 1)) % tensors.length;
    const other = (k: number) => tensors[k === i ? j : k === j ? i : k];
    const changed = random.pick([
      tensors.map((_, k) => other(k)),
      tensors.map((one, k) => ({ ...one, name: other(k).name })),
      tensors.map((one, k) => ({ ...one, type: other(k).type, layout: other(k).layout })),
      tensors.map((one, k) => (k === i ? { ...one, type: transposed(one.type) } : one)),
    ]);
    if (JSON.stringify(changed) === JSON.stringify(tensors)) return null;
    const edited = random.chance(0.3)
      ? // In every class, as a wrong table that all share would be.
        program.classes.reduce(
          (all, { values }, k) =>
            values[index]?.name === program.classes[c].values[index].name
              ? editValue(all, k, index, (value) => ({ ...value, tensors: changed }))
              : all,
          program,
        )
      : editValue(program, c, index, (value) => ({ ...value, tensors: changed }));
    return { program: edited, aims: [] };
  },
};

const withAfter = (program: Program, c: number, values: Contract['values']): Program =>
  editClass(program, c, (rankClass) => ({ ...rankClass, after: { values } }));

const outlasts = (values: readonly ProgramValue[], index: number): boolean =>
  !['microbatch', 'data'].includes(values[baseOf(values, index)].lifetime);

const sameBytes = (a: ProgramValue, b: ProgramValue): boolean =>
  a.type.dtype === b.type.dtype && elementsOf(a.type) === elementsOf(b.type);

/** The factors of a type in the opposite order. */
const transposed = (type: TensorType): TensorType => ({ ...type, dims: [...type.dims].reverse() });
