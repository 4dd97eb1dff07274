/** Mutations that may break a program: what a wrong pass, a wrong address or a wrong edit would do. */
import { dtypeBytes } from '../../src/ir/dtype.js';
import { bytesOf, elementsOf, tensorType } from '../../src/ir/type.js';
import { assignMemory, keptValues } from '../../src/program/assign_memory.js';
import type {
  CollectiveInstruction,
  EventInstruction,
  Instruction,
  KernelInstruction,
  MoveInstruction,
  Program,
  RankClass,
  ScheduleStep,
  TransferInstruction,
  ValueIndex,
} from '../../src/program/program.js';
import { baseOf } from '../../src/program/place.js';
import { instanceKey } from '../../src/program/unroll.js';
import {
  areIndependent,
  editBody,
  editClass,
  editSchedule,
  editValue,
  exchange,
  lookalikes,
  moveTo,
  reads,
  replaceAt,
  scoped,
  sitesOf,
  withValue,
  writes,
  type Site,
} from './edit.js';
import type { Mutant, Mutation, Mutations } from './mutant.js';
import type { Random } from './random.js';

export const faults: Mutations = {
  drop_collective: onOne(isCollective, (program, site) => drop(program, site)),
  swap_two_collectives: onPair(isCollective, () => true),
  drop_wait: onOne(isWait, (program, site) => drop(program, site)),
  drop_signal: onOne(isSignal, (program, site) => drop(program, site)),
  wait_for_another_event: onOne(isWait, (program, site, random) => {
    const events = sitesOf(program, isSignal).filter(({ c }) => c === site.c);
    const event = (random.pick(events).instruction as EventInstruction).event;
    const instruction = site.instruction as EventInstruction;
    return event === instruction.event ? null : mutant(replaceAt(program, site, { ...instruction, event }), site);
  }),
  signal_another_event: onOne(isSignal, (program, site, random) => {
    const events = sitesOf(program, isSignal).filter(({ c }) => c === site.c);
    const event = (random.pick(events).instruction as EventInstruction).event;
    const instruction = site.instruction as EventInstruction;
    return event === instruction.event ? null : mutant(replaceAt(program, site, { ...instruction, event }), site);
  }),
  wait_later: onOne(isWait, (program, site, random) => {
    const later = site.i + 2 + random.int(4);
    return mutant(moveTo(program, site, later), site, { ...site, i: later - 1 });
  }),
  signal_earlier: onOne(isSignal, (program, site, random) => {
    const earlier = Math.max(0, site.i - 1 - random.int(3));
    return earlier === site.i ? null : mutant(moveTo(program, site, earlier), site, { ...site, i: earlier });
  }),
  overlap_buffers: inSchedule((program, c, step, index, random) => {
    const { values } = program.classes[c];
    const bases = Object.keys(step.offsets).map(Number);
    const [a, b] = [random.pick(bases), random.pick(bases)];
    if (a === b || step.offsets[a] === step.offsets[b]) return null;
    const key = instanceKey(values, a, step.microbatch);
    const everywhere = random.chance(0.7);
    const lies = step.offsets[b];
    return editSchedule(program, c, (schedule) =>
      schedule.map((one, i) =>
        one.offsets[a] !== undefined && (everywhere ? instanceKey(values, a, one.microbatch) === key : i === index)
          ? { ...one, offsets: { ...one.offsets, [a]: lies } }
          : one,
      ),
    );
  }),
  shift_address: inSchedule((program, c, step, index, random) => {
    const { values } = program.classes[c];
    const base = random.pick(Object.keys(step.offsets).map(Number));
    const shift = random.pick([8, 64, -64, 128, -8]);
    const key = instanceKey(values, base, step.microbatch);
    const everywhere = random.chance(0.5);
    return editSchedule(program, c, (schedule) =>
      schedule.map((one, i) =>
        one.offsets[base] !== undefined &&
        (everywhere ? instanceKey(values, base, one.microbatch) === key : i === index)
          ? { ...one, offsets: { ...one.offsets, [base]: one.offsets[base] + shift } }
          : one,
      ),
    );
  }),
  shrink_workspace: onOne(hasWorkspace, (program, site, random) => {
    const { instruction, c } = site;
    const index = (instruction as KernelInstruction).scratch!;
    const bytes = bytesOf(program.classes[c].values[index].type);
    const type = tensorType('bool', { elements: Math.floor(bytes / random.pick([2, 4, 16])) });
    const shrunk = editValue(program, c, index, (value) => ({ ...value, type, global: type }));
    // What a planner that is told so does with the room.
    return mutant(editClass(shrunk, c, placedAgain), site);
  }),
  drop_workspace: onOne(hasWorkspace, (program, site) => {
    const instruction = { ...(site.instruction as KernelInstruction), scratch: null };
    return mutant(editClass(replaceAt(program, site, instruction), site.c, placedAgain), site);
  }),
  stale_instance: inSchedule((program, c, step, index, random) => {
    const rankClass = program.classes[c];
    const bases = Object.keys(step.offsets)
      .map(Number)
      .filter((base) => ['microbatch', 'data'].includes(rankClass.values[base].lifetime));
    if (bases.length === 0) return null;
    const base = random.pick(bases);
    const others = rankClass.schedule.filter(
      (one) => one.microbatch !== step.microbatch && (one.offsets[base] ?? step.offsets[base]) !== step.offsets[base],
    );
    if (others.length === 0) return null;
    const offset = random.pick(others).offsets[base];
    return editSchedule(program, c, (schedule) =>
      schedule.map((one, i) => (i === index ? { ...one, offsets: { ...one.offsets, [base]: offset } } : one)),
    );
  }),
  smaller_arena: inSchedule((program, c, _step, _index, random) =>
    editClass(program, c, (rankClass) => ({
      ...rankClass,
      arenaBytes: rankClass.arenaBytes - random.pick([64, 128, 512]),
    })),
  ),
  skip_all_reduce: onOne(
    (x) => x.kind === 'collective' && x.move.kind === 'all_reduce',
    (program, site) => {
      const { input, output } = site.instruction as CollectiveInstruction;
      const { values } = program.classes[site.c];
      // In place there is nothing to rewire: the partial sum simply stays there.
      if (baseOf(values, input.value) === baseOf(values, output.value)) {
        return mutant(replaceAt(program, site), site);
      }
      const rewired = editBody(program, site, (body) =>
        body.map((x) => withValue(x, output.value, input.value, 'read')),
      );
      return mutant(replaceAt(rewired, site), site);
    },
  ),
  read_before_the_move: onOne(isMove, (program, site) => {
    const { input, output } = site.instruction as MoveInstruction;
    const { values } = program.classes[site.c];
    const sizes = (index: ValueIndex) => String(values[index].type.dims.flat().map((f) => f.size));
    if (sizes(input.value) !== sizes(output.value)) return null;
    return mutant(
      editBody(program, site, (body) =>
        body.map((x, i) => (i > site.i ? withValue(x, output.value, input.value, 'read') : x)),
      ),
      site,
    );
  }),
  wrong_group: onOne(isCollective, (program, site, random) => {
    const { mesh } = program.stages[program.classes[site.c].stage];
    const instruction = site.instruction as CollectiveInstruction;
    const axes = mesh.axes.map((axis) => axis.name).filter((name) => !instruction.axes.includes(name));
    if (axes.length === 0) return null;
    const axis = random.pick(axes);
    const lane = `group:${axis}` as const;
    const move = random.chance(0.5) ? { ...instruction.move, axes: [axis] } : instruction.move;
    const changed = { ...instruction, axes: [axis], move, ...(random.chance(0.5) ? { lane } : {}) };
    return mutant(replaceAt(program, site, changed), site);
  }),
  wrong_reduction: onOne(
    (x) => isCollective(x) && (x as CollectiveInstruction).reduction !== null,
    (program, site) => {
      const instruction = site.instruction as CollectiveInstruction;
      const reduction = instruction.reduction === 'sum' ? ('max' as const) : ('sum' as const);
      return mutant(
        replaceAt(program, site, { ...instruction, reduction, move: { ...instruction.move, reduction } }),
        site,
      );
    },
  ),
  change_move: onOne(
    (x) => isMove(x) || isCollective(x),
    (program, site, random) => {
      const instruction = site.instruction as MoveInstruction;
      const moves = sitesOf(program, (x) => isMove(x) || isCollective(x))
        .map((other) => (other.instruction as MoveInstruction).move)
        .filter((move) => JSON.stringify(move) !== JSON.stringify(instruction.move));
      if (moves.length === 0) return null;
      return mutant(replaceAt(program, site, { ...instruction, move: random.pick(moves) }), site);
    },
  ),
  drop_pack_or_unpack: onOne(isMove, (program, site) => drop(program, site)),
  drop_kernel: onOne(isKernel, (program, site) => drop(program, site)),
  drop_accumulate: onOne(accumulates, (program, site) => drop(program, site)),
  accumulate_becomes_write: onOne(accumulates, (program, site) =>
    mutant(replaceAt(program, site, withAccess(site.instruction, 'write')), site),
  ),
  write_becomes_accumulate: onOne(isKernel, (program, site, random) =>
    random.chance(0.5) || writesSum(program, site)
      ? mutant(replaceAt(program, site, withAccess(site.instruction, 'accumulate')), site)
      : null,
  ),
  duplicate_instruction: onOne(
    (x) => isKernel(x) || isMove(x) || isCollective(x),
    (program, site, random) => {
      const again = site.i + 1 + random.int(3);
      return mutant(
        editBody(program, site, (body) => [...body.slice(0, again), site.instruction, ...body.slice(again)]),
        site,
        { ...site, i: again },
      );
    },
  ),
  wrong_operand: onOne(
    (x) => isKernel(x) || isMove(x) || isCollective(x) || isTransfer(x),
    (program, site, random) => {
      const operands = reads(site.instruction);
      if (operands.length === 0) return null;
      const operand = random.pick(operands);
      const others = lookalikes(program.classes[site.c], operand);
      if (others.length === 0) return null;
      return mutant(replaceAt(program, site, withValue(site.instruction, operand, random.pick(others), 'read')), site);
    },
  ),
  wrong_result: onOne(
    (x) => isKernel(x) || isMove(x) || isCollective(x),
    (program, site, random) => {
      const results = writes(site.instruction);
      const result = random.pick(results);
      const others = lookalikes(program.classes[site.c], result);
      if (others.length === 0) return null;
      return mutant(replaceAt(program, site, withValue(site.instruction, result, random.pick(others), 'write')), site);
    },
  ),
  swap_operands: onOne(isKernel, (program, site, random) => {
    const kernel = site.instruction as KernelInstruction;
    if (kernel.inputs.length < 2) return null;
    const i = random.int(kernel.inputs.length - 1);
    const inputs = kernel.inputs.map((x, k) => (k === i ? kernel.inputs[i + 1] : k === i + 1 ? kernel.inputs[i] : x));
    return mutant(replaceAt(program, site, { ...kernel, inputs }), site);
  }),
  reorder_dependent: onPair(
    (x) => isKernel(x) || isMove(x),
    (program, a, b) => {
      const rankClass = program.classes[a.c];
      return !areIndependent(rankClass, rankClass.templates[a.t].name, a.instruction, b.instruction);
    },
  ),
  change_attribute: onOne(isKernel, (program, site, random) => {
    const kernel = site.instruction as KernelInstruction;
    const keys = Object.entries(kernel.attributes).filter(([, value]) => typeof value === 'number');
    if (keys.length === 0) return null;
    const [key, value] = random.pick(keys);
    const attributes = { ...kernel.attributes, [key]: (value as number) + random.pick([1, -0.5, 2]) };
    return mutant(replaceAt(program, site, { ...kernel, attributes }), site);
  }),
  change_rule: onOne(isKernel, (program, site, random) => {
    const kernel = site.instruction as KernelInstruction;
    const { rule } = kernel;
    const lists = [...rule.operands, ...rule.results];
    const at = random.int(lists.length);
    const list = lists[at];
    const pairs = list.flatMap((f, i) =>
      list.flatMap((g, j) => (i < j && rule.factors[f].size === rule.factors[g].size ? [[i, j]] : [])),
    );
    if (pairs.length === 0) return null;
    const [i, j] = random.pick(pairs);
    const changed = list.map((f, k) => (k === i ? list[j] : k === j ? list[i] : f));
    const operands = rule.operands.map((x, k) => (k === at ? changed : x));
    const results = rule.results.map((x, k) => (k + rule.operands.length === at ? changed : x));
    return mutant(replaceAt(program, site, { ...kernel, rule: { ...rule, operands, results } }), site);
  }),
  change_assignment: onOne(isKernel, (program, site, random) => {
    const kernel = site.instruction as KernelInstruction;
    const factors = Object.keys(kernel.assignment.splits);
    if (factors.length === 0) return null;
    const { [random.pick(factors)]: _, ...splits } = kernel.assignment.splits;
    return mutant(replaceAt(program, site, { ...kernel, assignment: { ...kernel.assignment, splits } }), site);
  }),
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
  swap_schedule_steps: inSchedule((program, c, _step, index, random) =>
    editSchedule(program, c, (schedule) => {
      const other = (index + 1 + random.int(Math.max(1, schedule.length - 1))) % schedule.length;
      return schedule.map((one, i) => (i === index ? schedule[other] : i === other ? schedule[index] : one));
    }),
  ),
  drop_schedule_step: inSchedule((program, c, _step, index) =>
    editSchedule(program, c, (schedule) => schedule.filter((_, i) => i !== index)),
  ),
  repeat_schedule_step: inSchedule((program, c, step, index) =>
    editSchedule(program, c, (schedule) => [...schedule.slice(0, index), step, ...schedule.slice(index)]),
  ),
  wrong_microbatch: inSchedule((program, c, step, index, random) =>
    program.microbatches < 2
      ? null
      : editSchedule(program, c, (schedule) =>
          schedule.map((one, i) =>
            i === index
              ? {
                  ...one,
                  microbatch: (step.microbatch + 1 + random.int(program.microbatches - 1)) % program.microbatches,
                }
              : one,
          ),
        ),
  ),
  wrong_variant: inSchedule((program, c, step, index, random) => {
    const { templates } = program.classes[c];
    const others = templates.filter((t) => t.name !== step.template && direction(t.name) === direction(step.template));
    if (others.length === 0) return null;
    const { name: template } = random.pick(others);
    return editSchedule(program, c, (schedule) => schedule.map((one, i) => (i === index ? { ...one, template } : one)));
  }),
  change_lane: onOne(
    (x) => isKernel(x) || isMove(x) || isCollective(x),
    (program, site, random) => {
      const lanes = [...new Set(sitesOf(program, () => true).map(({ instruction }) => instruction.lane))];
      const others = lanes.filter((lane) => lane !== site.instruction.lane);
      if (others.length === 0) return null;
      return mutant(replaceAt(program, site, { ...site.instruction, lane: random.pick(others) } as Instruction), site);
    },
  ),
  change_event_lane: onOne(
    (x) => isWait(x) || isSignal(x),
    (program, site, random) => {
      const lanes = [...new Set(sitesOf(program, () => true).map(({ instruction }) => instruction.lane))];
      const others = lanes.filter((lane) => lane !== site.instruction.lane);
      if (others.length === 0) return null;
      return mutant(replaceAt(program, site, { ...site.instruction, lane: random.pick(others) } as Instruction), site);
    },
  ),
  drop_send_or_receive: onOne(isTransfer, (program, site) => drop(program, site)),
  swap_messages: onPair(isTransfer, (_, a, b) => a.instruction.kind === b.instruction.kind),
  wrong_peer: onOne(isTransfer, (program, site, random) => {
    const transfer = site.instruction as TransferInstruction;
    const ranks = program.classes.reduce((n, { members }) => n + members.length, 0);
    const peers = transfer.peers.map((peer) => (peer === null ? null : (peer + 1 + random.int(ranks - 1)) % ranks));
    return mutant(replaceAt(program, site, { ...transfer, peers }), site);
  }),
  wrong_tile: onOne(
    (x) => x.kind === 'pack_tile' || x.kind === 'unpack_tile',
    (program, site, random) => {
      const { instruction } = site;
      if (instruction.kind !== 'pack_tile' && instruction.kind !== 'unpack_tile') return null;
      const message = instruction.message === 0 ? 1 : instruction.message - 1;
      const [other, edge] = [
        random.chance(0.5),
        { ...instruction.edge, from: instruction.edge.to, to: instruction.edge.from },
      ];
      return mutant(replaceAt(program, site, other ? { ...instruction, message } : { ...instruction, edge }), site);
    },
  ),
};

/** Applies a change to a random instruction that fits. */
function onOne(
  fits: (instruction: Instruction) => boolean,
  change: (program: Program, site: Site, random: Random) => Mutant | null,
): Mutation {
  return (original, random) => {
    const program = scoped(original, random);
    const sites = sitesOf(program, fits);
    return sites.length === 0 ? null : change(program, random.pick(sites), random);
  };
}

/** Exchanges two instructions of one template, near each other more often than not. */
function onPair(
  fits: (instruction: Instruction) => boolean,
  together: (program: Program, a: Site, b: Site) => boolean,
): Mutation {
  return (original, random) => {
    const program = scoped(original, random);
    const sites = sitesOf(program, fits);
    if (sites.length < 2) return null;
    const a = random.pick(sites);
    const near = sites.filter((b) => b.c === a.c && b.t === a.t && b.i > a.i && together(program, a, b));
    if (near.length === 0) return null;
    const b = random.chance(0.6) ? near[0] : random.pick(near);
    return mutant(exchange(program, a, b), a, b);
  };
}

/** Applies a change to a random step of a class's schedule. */
function inSchedule(
  change: (program: Program, c: number, step: ScheduleStep, index: number, random: Random) => Program | null,
): Mutation {
  return (original, random) => {
    const program = scoped(original, random);
    const c = random.int(program.classes.length);
    const index = random.int(program.classes[c].schedule.length);
    const changed = change(program, c, program.classes[c].schedule[index], index, random);
    return changed && { program: changed, aims: [] };
  };
}

function placedAgain(rankClass: RankClass): RankClass {
  const { values, templates, schedule } = rankClass;
  const options = { moves: 10, searchNodes: 0 };
  const memory = assignMemory(values, templates, schedule, keptValues(rankClass), options);
  return { ...rankClass, schedule: memory.schedule, arenaBytes: memory.arenaBytes };
}

const mutant = (program: Program, ...aims: readonly Site[]): Mutant => ({ program, aims });
const drop = (program: Program, site: Site): Mutant => mutant(replaceAt(program, site), site);

function isCollective(x: Instruction): boolean {
  return x.kind === 'collective';
}
function isWait(x: Instruction): boolean {
  return x.kind === 'wait';
}
function isSignal(x: Instruction): boolean {
  return x.kind === 'signal';
}
function isKernel(x: Instruction): boolean {
  return x.kind === 'kernel';
}
function hasWorkspace(x: Instruction): boolean {
  return x.kind === 'kernel' && x.scratch !== null;
}
function isMove(x: Instruction): boolean {
  return x.kind === 'pack' || x.kind === 'unpack';
}
function isTransfer(x: Instruction): boolean {
  return x.kind === 'send' || x.kind === 'receive';
}
function accumulates(x: Instruction): boolean {
  return x.kind === 'kernel' && x.outputs.some(({ access }) => access === 'accumulate');
}

const writesSum = (program: Program, { c, instruction }: Site): boolean =>
  writes(instruction).some((value) => program.classes[c].values[value].lifetime === 'sum');

function withAccess(instruction: Instruction, access: 'write' | 'accumulate'): Instruction {
  if (instruction.kind !== 'kernel') return instruction;
  return { ...instruction, outputs: instruction.outputs.map((output) => ({ ...output, access })) };
}

const direction = (template: string): string => template.split('.')[0];
