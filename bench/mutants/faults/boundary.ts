/** What a class says of itself to whoever writes before a step and reads after it. */
import { dtypeBytes } from '../../../src/ir/dtype.js';
import { editClass, editValue } from '../edit.js';
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
};
