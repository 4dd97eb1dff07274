/** The program verifier, rule by rule: a sound program, one thing changed, and what is said of it. */
import { describe, expect, test } from 'vitest';
import { pipelineOf } from '../src/plan/plan.js';
import type {
  CollectiveInstruction,
  Instruction,
  KernelInstruction,
  Program,
  RankClass,
} from '../src/program/program.js';
import { instructionsOf } from '../src/program/unroll.js';
import { verifyProgram, type Specification } from '../src/verify/index.js';
import { mesh } from '../src/ir/mesh.js';
import { bytesOf, elementsOf, tensorType } from '../src/ir/type.js';
import { ops } from '../src/ops/index.js';
import { nativeKernels } from '../src/kernels/native_kernels.js';
import { GPT } from '../src/nn/models/index.js';
import {
  editBody,
  editClass,
  editSchedule,
  editValue,
  exchange,
  replaceAt,
  sitesOf,
  splitClass,
  type Site,
} from '../bench/mutants/edit.js';
import { languageModel } from './scenarios/language_model.js';
import { mlp } from './scenarios/mlp.js';
import { buildScenario } from './scenarios/scenario.js';

const split = { batch: ['data'], hidden: ['tensor'], heads: ['tensor'], vocab: ['tensor'] };
const sizes = { batch: 4, dim: 3, hidden: 4, layers: 1 };
const { program, placed } = buildScenario({
  ...mlp({ ...sizes, update: 'adamw' }),
  mesh: { data: 2, tensor: 2 },
  split,
  microbatches: 2,
});
const [only] = program.classes;

const gpt = () =>
  languageModel(new GPT({ layers: 2, dim: 4, heads: 2, context: 3, vocab: 6 }), {
    microbatches: 1,
    batch: 2,
    sequence: 3,
  });

/** Codes and texts of what the verifier says. */
const said = (changed: Program, of: Specification = placed): string =>
  verifyProgram(changed, of, ops)
    .map((fault) => fault.message)
    .join('\n');
const find = (fits: (x: Instruction) => boolean, of: Program = program): Site => {
  const [site] = sitesOf(of, fits);
  expect(site).toBeDefined();
  return site;
};
const nameOf = ({ values }: RankClass, value: number) => values[value].name;
const isKernel = (x: Instruction): x is KernelInstruction => x.kind === 'kernel';

describe('sound programs are accepted', () => {
  const segments = { first: ['embedding', 'blocks.0'], second: ['blocks.1', 'head'] };
  test.each([
    [
      'a perceptron over data × tensor, two microbatches',
      () => ({ ...mlp(sizes), mesh: { data: 2, tensor: 2 }, microbatches: 2 }),
    ],
    [
      'one with uneven shards',
      () => ({ ...mlp({ ...sizes, batch: 5, hidden: 7 }), mesh: { data: 2, tensor: 2 }, microbatches: 3 }),
    ],
    [
      'one with ZeRO-1',
      () => ({
        ...mlp({ ...sizes, update: 'adamw' as const }),
        mesh: { data: 2 },
        zero: { stage: 1 as const, axes: ['data'] },
      }),
    ],
    ['a GPT over tensor', () => ({ ...gpt(), mesh: { tensor: 2 }, microbatches: 2 })],
    [
      'a GPT on two stages with unlike meshes, 1F1B',
      () => ({
        ...gpt(),
        pipeline: pipelineOf([
          { segments: segments.first, mesh: { tensor: 2 } as Record<string, number> },
          { segments: segments.second, mesh: { data: 2 } },
        ]),
        schedule: '1f1b' as const,
        microbatches: 3,
      }),
    ],
  ])('%s', (_name, options) => {
    const sound = buildScenario({ split, ...options() });
    expect(said(sound.program, sound.placed)).toBe('');
  });
});

describe('reads and writes', () => {
  test('a missing wait: the read may come before the collective', () => {
    const collective = find((x) => x.kind === 'collective');
    const event = instructionsOf(only.templates[collective.t])[collective.i + 1];
    const wait = find((x) => x.kind === 'wait' && event.kind === 'signal' && x.event === event.event);
    expect(said(replaceAt(program, wait))).toMatch(/program\/unordered-(read|write)/);
  });

  test('a collective that does not wait for its operand', () => {
    const wait = find((x) => x.kind === 'wait' && x.lane !== 'compute');
    expect(said(replaceAt(program, wait))).toMatch(/without waiting for lane 'compute'/);
  });

  test('a collective that reads a slice with gaps', () => {
    const { program: sound, placed: graphs } = buildScenario({ ...gpt(), mesh: { tensor: 2 }, split });
    const slice = sound.classes[0].values.findIndex(({ view }) => view?.made?.op === 'unstack');
    const site = find((x) => x.kind === 'collective', sound);
    const collective = site.instruction as CollectiveInstruction;
    const changed = replaceAt(sound, site, { ...collective, input: { ...collective.input, value: slice } });
    expect(said(changed, graphs)).toMatch(/it moves '.*', whose elements do not lie together/);
  });

  test("another microbatch's instance", () => {
    const { values, schedule } = only;
    const forward = schedule.filter(({ template }) => template.includes('forward'));
    const data = Object.keys(forward[0].offsets)
      .map(Number)
      .find((base) => values[base].lifetime === 'data')!;
    const moved = editSchedule(program, 0, (steps) =>
      steps.map((step) =>
        step.microbatch === 1 && step.offsets[data] !== undefined
          ? { ...step, offsets: { ...step.offsets, [data]: forward[0].offsets[data] } }
          : step,
      ),
    );
    expect(said(moved)).toContain('program/stale-read');
  });

  test('a microbatch that is added twice', () => {
    const accumulate = find((x) => isKernel(x) && x.outputs.some(({ access }) => access === 'accumulate'));
    const twice = replaceAt(program, accumulate, accumulate.instruction, accumulate.instruction);
    expect(said(twice)).toMatch(/microbatch 1 is added to 'sum .*' twice \[program\/counted-twice\]/);
  });

  test('a sum that is read before all microbatches are in it', () => {
    const accumulate = find(
      (x) =>
        isKernel(x) &&
        x.outputs.some(
          ({ value, access }) => access === 'accumulate' && nameOf(only, value).startsWith('sum gradient'),
        ),
    );
    expect(said(replaceAt(program, accumulate))).toContain('when it has 1 of 2 microbatches');
  });

  test('two live buffers over each other', () => {
    const { schedule, values } = only;
    const last = schedule.length - 1;
    const bases = Object.keys(schedule[last].offsets).map(Number);
    const sums = bases.filter((base) => values[base].lifetime === 'sum');
    const over = editSchedule(program, 0, (steps) =>
      steps.map((step) =>
        step.offsets[sums[0]] === undefined || step.offsets[sums[1]] === undefined
          ? step
          : { ...step, offsets: { ...step.offsets, [sums[0]]: step.offsets[sums[1]] } },
      ),
    );
    expect(said(over)).toMatch(/program\/(undefined-read|stale-read|unordered-write|bad-address)/);
  });
});

describe('placements', () => {
  test('a partial sum read by something that is not linear in it', () => {
    const reduce = find((x) => x.kind === 'collective' && x.move.kind === 'all_reduce' && x.axes.includes('tensor'));
    if (reduce.instruction.kind !== 'collective') throw new Error('no collective');
    const { input, output } = reduce.instruction;
    // The reduced value is taken to lie partial, as if the all-reduce had been forgotten.
    const forgotten = editValue(program, 0, output.value, (value) => ({
      ...value,
      layout: only.values[input.value].layout,
    }));
    expect(said(forgotten)).toMatch(/still a sum over 'tensor' \[program\/partial-read-nonlinearly\]/);
  });

  test('a collective along another axis, or by another reduction', () => {
    const site = find((x) => x.kind === 'collective' && x.reduction === 'sum');
    if (site.instruction.kind !== 'collective') throw new Error('no collective');
    const [axis] = ['data', 'tensor'].filter(
      (name) => !(site.instruction as { axes?: readonly string[] }).axes!.includes(name),
    );
    const along = { ...site.instruction, axes: [axis], lane: `group:${axis}` as const };
    expect(said(replaceAt(program, site, along))).toContain(`its group is along [${axis}]`);
    expect(said(replaceAt(program, site, { ...site.instruction, reduction: 'max' }))).toContain('reduces by max');
  });

  test('a value whose block has other sizes than its layout gives it', () => {
    const index = only.values.findIndex((v) => v.lifetime === 'microbatch' && Object.keys(v.layout.splits).length > 0);
    const whole = editValue(program, 0, index, (value) => ({ ...value, type: value.global }));
    expect(said(whole)).toContain('which is no block of');
  });
});

test('an op in place of another makes a value that the graphs have not', () => {
  const site = find((x) => isKernel(x) && x.op === 'tanh');
  expect(said(replaceAt(program, site, { ...(site.instruction as KernelInstruction), op: 'exp' }))).toMatch(
    /exp makes '.*' of its operands, and the graphs have no such value \[program\/dataflow-differs\]/,
  );
});

describe('a program is held against its graphs', () => {
  const { program: gpts, placed: graphs } = buildScenario({ ...gpt(), mesh: { tensor: 2 }, split, microbatches: 2 });
  const [rankClass] = gpts.classes;
  const saidOf = (changed: Program): string => said(changed, graphs);

  test('an attribute that is another', () => {
    const site = find((x) => isKernel(x) && x.op === 'layer_norm', gpts);
    const kernel = site.instruction as KernelInstruction;
    const attributes = { ...kernel.attributes, eps: 0.5 };
    expect(saidOf(replaceAt(gpts, site, { ...kernel, attributes }))).toContain('the graphs have no such value');
  });

  test('a view of another value of the same sizes', () => {
    const index = rankClass.values.findIndex(({ view }) => view?.made);
    const { made } = rankClass.values[index].view!;
    const other = rankClass.values.findIndex((_, i) => !made!.inputs.includes(i));
    const changed = editValue(gpts, 0, index, (value) => ({
      ...value,
      view: { ...value.view!, made: { ...made!, inputs: made!.inputs.map(() => other) } },
    }));
    expect(saidOf(changed)).not.toBe('');
  });

  test('a result that is another value of the program', () => {
    const { results } = rankClass;
    const [[first], [second, other]] = Object.entries(results);
    const changed = editClass(gpts, 0, (one) => ({ ...one, results: { ...results, [first]: other } }));
    expect(saidOf(changed)).toContain(`the result '${first}' is another value than the graphs give`);
    const { [second]: _gone, ...fewer } = results;
    expect(saidOf(editClass(gpts, 0, (one) => ({ ...one, results: fewer })))).toContain(`it lacks the result`);
  });

  test('state that the next step would not find', () => {
    const { before, after } = rankClass;
    const fewer = { values: after.values.slice(1) };
    expect(saidOf(editClass(gpts, 0, (one) => ({ ...one, after: fewer })))).toContain('does not say what');
    const none = { values: before.values.slice(1) };
    expect(saidOf(editClass(gpts, 0, (one) => ({ ...one, before: none })))).toContain('it lacks the state');
  });

  test('another mesh of as many ranks', () => {
    const changed = { ...program, groups: [{ firstRank: 0, mesh: mesh({ tensor: 2, data: 2 }) }] };
    expect(said(changed)).toContain('group 0 is {tensor: 2, data: 2}, not {data: 2, tensor: 2}');
    expect(said({ ...program, groups: [{ ...program.groups[0], firstRank: 1 }] })).toContain('begins at rank 1');
  });

  test('a bucket of state whose tensors are said to be cut otherwise', () => {
    const index = only.values.findIndex(({ tensors }) => tensors?.some(({ layout }) => layout.splits.hidden));
    const changed = editValue(program, 0, index, (value) => ({
      ...value,
      tensors: value.tensors!.map((tensor) => ({ ...tensor, layout: { splits: {}, partial: {} } })),
    }));
    expect(said(changed)).toContain('is said to hold');
  });
});

test('two collectives exchanged on one rank: its group is named with both instructions', () => {
  const { program: two, c } = splitClass(program, 0, 1);
  const collectives = sitesOf(two, (x) => x.kind === 'collective' && x.axes.join() === 'data').filter((s) => s.c === c);
  const first = collectives[0];
  const second = collectives.find((s) => s.t === first.t && s.i > first.i)!;
  const text = said(exchange(two, first, second));
  expect(text).toMatch(/number \d+ differs \[program\/collectives-differ\]/);
  expect(text).toMatch(/where .* all_reduce .*rank/);
});

test('a stage that wants all forwards first, from one that sends the last of them after a backward, hangs', () => {
  const { program: two, placed: graphs } = buildScenario({
    ...gpt(),
    pipeline: pipelineOf([
      { segments: ['embedding', 'blocks.0'], mesh: { data: 1 } },
      { segments: ['blocks.1', 'head'], mesh: { data: 1 } },
    ]),
    schedule: '1f1b',
    microbatches: 3,
  });
  const { schedule } = two.classes[1];
  const forwards = schedule.filter(({ template }) => template.includes('forward'));
  const greedy = editSchedule(two, 1, () => [...forwards, ...schedule.filter((step) => !forwards.includes(step))]);
  expect(said(greedy, graphs)).toMatch(/no schedule completes the step \[program\/deadlock\]/);
  expect(said(greedy, graphs)).toMatch(/where .*receive .*rank 1/);
});

test('an update that lies where another parameter does is found at the end of the step', () => {
  const [a, b] = only.after.values.filter(({ at, holds }) => at !== holds).map(({ at }) => at);
  const crossed = editClass(program, 0, (rankClass) => ({
    ...rankClass,
    after: { values: rankClass.after.values.map((e) => (e.at === a ? { at: a, holds: a } : e)) },
  }));
  expect(nameOf(only, a)).not.toBe(nameOf(only, b));
  expect(said(crossed)).toMatch(/after the step '.*' holds 'new .*' \[program\/not-restored\]|program\/not-restored/);
});

test('addresses outside the arena, unaligned or wandering are refused before anything else is looked at', () => {
  const base = Object.keys(only.schedule[0].offsets).map(Number)[0];
  const at = (offset: number) =>
    editSchedule(program, 0, (steps) =>
      steps.map((step, i) => (i === 0 ? { ...step, offsets: { ...step.offsets, [base]: offset } } : step)),
    );
  expect(said(at(only.arenaBytes))).toContain('of an arena of');
  expect(said(at(8))).toContain('no multiple of 64');
  expect(verifyProgram(at(8), placed, ops).every(({ code }) => code === 'program/bad-address')).toBe(true);
});

test('a kernel on a communication lane is refused', () => {
  const site = find(isKernel);
  const body = editBody(program, site, (list) =>
    list.map((x, i) => (i === site.i ? { ...x, lane: 'group:data' as const } : x)),
  );
  expect(said(body)).toContain("of lane 'compute' stands on lane 'group:data'");
});

describe('workspaces of native kernels', () => {
  const kernels = nativeKernels(ops, 'cpu');
  const { program: native, placed: graphs } = buildScenario({
    ...gpt(),
    target: 'cpu',
    mesh: { data: 2 },
    split,
    microbatches: 2,
  });
  const site = find((x) => isKernel(x) && x.op === 'layer_norm_backward', native);
  const kernel = site.instruction as KernelInstruction;

  test('as large as the kernel table says', () => {
    expect(verifyProgram(native, graphs, ops, kernels)).toEqual([]);
  });

  test('a byte too small: the kernel would write over its neighbour', () => {
    const smaller = editValue(native, 0, kernel.scratch!, (value) => {
      const type = tensorType('bool', { elements: elementsOf(value.type) - 1 });
      return { ...value, type, global: type };
    });
    const [fault, ...more] = verifyProgram(smaller, graphs, ops, kernels);
    expect(fault.message).toMatch(
      /layer_norm_backward has the (\d+) bytes of '.* workspace' to work in, and needs \d+ \[program\/small-workspace\]/,
    );
    expect(fault.message).toMatch(/where .*\[\d+\] layer_norm_backward, .* \(group 0, ranks 0, 1\)/);
    // One buffer; the first microbatch's text and the others' both work in it.
    expect(more.every(({ code }) => code === fault.code)).toBe(true);
  });

  test('another device, or another op, has other kernels', () => {
    const by = (id: string, device: 'cpu' | 'cuda' = 'cpu') =>
      verifyProgram(replaceAt(native, site, { ...kernel, kernel: { id, device } }), graphs, ops, kernels)
        .map(({ message }) => message)
        .join('\n');
    expect(kernel.kernel).toEqual({ id: 'layer_norm_backward', device: 'cpu' });
    expect(by('layer_norm_backward', 'cuda')).toMatch(
      /no 'layer_norm_backward on cuda' that runs layer_norm_backward on these operands \[program\/wrong-kernel\]/,
    );
    expect(by('rms_norm_backward')).toContain('program/wrong-kernel');
    // Its operands lie as it takes them: copies are for those that do not.
    expect(by('layer_norm_backward on copies')).toContain('program/wrong-kernel');
  });

  test('the general kernel of an op serves wherever a faster one does, with its own workspace', () => {
    const product = find((x) => isKernel(x) && x.op === 'einsum' && x.kernel.id === 'matmul', native);
    const slower = { ...(product.instruction as KernelInstruction), kernel: { id: 'any', device: 'cpu' as const } };
    expect(verifyProgram(replaceAt(native, product, slower), graphs, ops, kernels)).toEqual([]);
  });

  test('forgotten', () => {
    const without = replaceAt(native, site, { ...kernel, scratch: null });
    expect(
      verifyProgram(without, graphs, ops, kernels)
        .map(({ message }) => message)
        .join('\n'),
    ).toContain('has no workspace');
  });

  test('a reduce-scatter receives the blocks of the others in its own', () => {
    const { program: sharded, placed: parts } = buildScenario({
      ...gpt(),
      target: 'cpu',
      mesh: { data: 3 },
      split,
      zero: { stage: 1, axes: ['data'] },
    });
    expect(verifyProgram(sharded, parts, ops, kernels)).toEqual([]);
    const reduce = find((x) => x.kind === 'collective' && x.move.kind === 'reduce_scatter', sharded);
    const { scratch, output } = reduce.instruction as CollectiveInstruction;
    const { values } = sharded.classes[reduce.c];
    expect(bytesOf(values[scratch!].type)).toBe(2 * bytesOf(values[output.value].type));
    const [fault] = verifyProgram(
      replaceAt(sharded, reduce, { ...reduce.instruction, scratch: null } as CollectiveInstruction),
      parts,
      ops,
      kernels,
    );
    expect(fault.message).toMatch(/reduce_scatter has no workspace, and needs \d+ bytes \[program\/small-workspace\]/);
  });
});

test('a view of a view has no place on which verifier and engines need agree: it is refused', () => {
  const inner = only.values.findIndex(({ view }) => view && view.offset > 0);
  expect(inner).toBeGreaterThanOrEqual(0);
  const outer = only.values.findIndex(
    ({ view, type }, i) => i !== inner && view && elementsOf(type) <= elementsOf(only.values[inner].type),
  );
  const nested = editValue(program, 0, outer, (value) => ({
    ...value,
    view: { ...value.view!, of: inner, offset: 0 },
  }));
  expect(said(nested)).toContain('is a view of a view');
});

describe('a bucket is what lies in it', () => {
  const bucketIn = (fits: (value: RankClass['values'][number]) => boolean) => {
    const index = only.values.findIndex(fits);
    expect(index).toBeGreaterThanOrEqual(0);
    return index;
  };
  const reversed = <T>(list: readonly T[] | null) => list && [...list].reverse();

  test('gradients in another order than the parameters they belong to', () => {
    const sum = bucketIn(({ name, parts }) => name.startsWith('sum ') && (parts?.length ?? 0) > 1);
    const order = reversed(only.values[sum].parts)!;
    let changed = editValue(program, 0, sum, (value) => ({ ...value, parts: order }));
    let offset = 0;
    for (const part of order) {
      const start = offset;
      changed = editValue(changed, 0, part, (value) => ({ ...value, view: { ...value.view!, offset: start } }));
      offset += elementsOf(only.values[part].type);
    }
    expect(said(changed)).toContain('program/dataflow-differs');
  });

  test('parts that do not fill it', () => {
    const sum = bucketIn(({ name, parts }) => name.startsWith('sum ') && (parts?.length ?? 0) > 1);
    const changed = editValue(program, 0, sum, (value) => ({ ...value, parts: value.parts!.slice(1) }));
    expect(said(changed)).toContain('is not what lies in it');
  });

  test('state that the host would put at another tensor’s place', () => {
    const state = bucketIn(({ name, tensors }) => name.startsWith('optimizer.') && (tensors?.length ?? 0) > 1);
    const changed = editValue(program, 0, state, (value) => ({ ...value, tensors: reversed(value.tensors) }));
    expect(said(changed)).toContain('takes or gives other values');
  });
});
