/** Wrong addresses and workspaces: what a wrong memory planner would do. */
import { bytesOf, tensorType } from '../../../src/ir/type.js';
import { assignMemory, keptValues } from '../../../src/memory/assign_memory.js';
import type { CollectiveInstruction, Instruction, KernelInstruction, RankClass } from '../../../src/program/program.js';
import { instanceKey } from '../../../src/program/unroll.js';
import { editClass, editSchedule, editValue, replaceAt } from '../edit.js';
import type { Mutations } from '../mutant.js';
import { inSchedule, mutant, onOne } from './site.js';

export const memory: Mutations = {
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
    const index = (instruction as Worker).scratch!;
    const bytes = bytesOf(program.classes[c].values[index].type);
    const type = tensorType('bool', { elements: Math.floor(bytes / random.pick([2, 4, 16])) });
    const shrunk = editValue(program, c, index, (value) => ({ ...value, type, global: type }));
    // What a planner that is told so does with the room.
    return mutant(editClass(shrunk, c, placedAgain), site);
  }),
  drop_workspace: onOne(hasWorkspace, (program, site) => {
    const instruction = { ...(site.instruction as Worker), scratch: null };
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
};

function placedAgain(rankClass: RankClass): RankClass {
  const { values, templates, schedule } = rankClass;
  const options = { moves: 10, searchNodes: 0 };
  const memory = assignMemory(values, templates, schedule, keptValues(rankClass), options);
  return { ...rankClass, schedule: memory.schedule, arenaBytes: memory.arenaBytes };
}

type Worker = KernelInstruction | CollectiveInstruction;

function hasWorkspace(x: Instruction): boolean {
  return (x.kind === 'kernel' || x.kind === 'collective') && x.scratch !== null;
}
