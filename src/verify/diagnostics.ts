/** What the program verifier rejects. Each names the instruction, the class of ranks and the cause. */
import { defineDiagnostic, type Place } from '../ir/diagnostic.js';
import { printLayout, type Layout, type Reduction } from '../ir/layout.js';

export const malformed = defineDiagnostic('program/malformed', (p: { what: string; where: readonly Place[] }) => ({
  what: p.what,
  where: p.where,
  fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
}));

export const badAddress = defineDiagnostic('program/bad-address', (p: { what: string; where: readonly Place[] }) => ({
  what: p.what,
  why: 'every buffer lies in the arena, aligned, and what lasts longer than a step lies apart at one address',
  where: p.where,
  fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
}));

export const wrongLane = defineDiagnostic(
  'program/wrong-lane',
  (p: { lane: string; belongs: string; where: readonly Place[] }) => ({
    what: `an instruction of lane '${p.belongs}' stands on lane '${p.lane}'`,
    why: 'a communicator is used from one lane only, and kernels run on the compute lane',
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const undefinedRead = defineDiagnostic(
  'program/undefined-read',
  (p: { value: string; why: string; where: readonly Place[] }) => ({
    what: `'${p.value}' is read where no single write has put it`,
    why: p.why,
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const staleRead = defineDiagnostic(
  'program/stale-read',
  (p: { value: string; holds: string; where: readonly Place[] }) => ({
    what: `'${p.value}' is read from bytes that hold '${p.holds}'`,
    why: 'the numbers of another value, or of another microbatch, would be used silently',
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const unorderedRead = defineDiagnostic(
  'program/unordered-read',
  (p: { value: string; lane: string; where: readonly Place[] }) => ({
    what: `'${p.value}' is read without waiting for lane '${p.lane}' to write it`,
    why: 'the read may come first',
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const unorderedWrite = defineDiagnostic(
  'program/unordered-write',
  (p: { value: string; over: string; by: 'read' | 'written'; lane: string; where: readonly Place[] }) => ({
    what: `'${p.value}' overwrites '${p.over}' without waiting for lane '${p.lane}', where that is ${p.by}`,
    why: p.by === 'read' ? 'the reader may find the new bytes' : 'the older write may come last',
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const overlappingOperands = defineDiagnostic(
  'program/overlapping-operands',
  (p: { value: string; other: string; where: readonly Place[] }) => ({
    what: `one instruction writes '${p.value}' over its own '${p.other}'`,
    why: 'only an operand of the same factors and type may be written in place',
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const countedTwice = defineDiagnostic(
  'program/counted-twice',
  (p: { value: string; microbatch: number; where: readonly Place[] }) => ({
    what: `microbatch ${p.microbatch} is added to '${p.value}' twice`,
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const incomplete = defineDiagnostic(
  'program/incomplete',
  (p: {
    value: string;
    of: 'microbatches' | 'tiles' | 'parts';
    there: readonly number[];
    all: number;
    where: readonly Place[];
  }) => ({
    what: `'${p.value}' is read when it has ${p.there.length} of ${p.all} ${p.of}`,
    why: `it holds ${p.of} ${p.there.join(', ') || 'none'}`,
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const partialNonlinear = defineDiagnostic(
  'program/partial-read-nonlinearly',
  (p: { op: string; value: string; reduction: Reduction; axis: string; where: readonly Place[] }) => ({
    what: `${p.op} reads '${p.value}', which is still a ${p.reduction} over '${p.axis}'`,
    why: `each rank would apply ${p.op} to its own part: a wrong number, silently`,
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const wrongLayout = defineDiagnostic(
  'program/wrong-layout',
  (p: { op: string; value: string; has: Layout; needs: Layout; where: readonly Place[] }) => ({
    what: `${p.op} takes '${p.value}' for ${printLayout(p.needs)}, and it lies as ${printLayout(p.has)}`,
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const wrongAssignment = defineDiagnostic(
  'program/wrong-assignment',
  (p: { op: string; what: string; where: readonly Place[] }) => ({
    what: `${p.op} ${p.what}`,
    why: 'within one op a mesh axis has one role, and what the kernel needs whole is not split',
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const wrongMove = defineDiagnostic(
  'program/wrong-move',
  (p: { move: string; what: string; where: readonly Place[] }) => ({
    what: `${p.move}: ${p.what}`,
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const wrongTile = defineDiagnostic(
  'program/wrong-tile',
  (p: { tag: string; what: string; where: readonly Place[] }) => ({
    what: `${p.tag}: ${p.what}`,
    why: 'the tiles that travel between two groups follow from the layouts at both ends',
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const smallWorkspace = defineDiagnostic(
  'program/small-workspace',
  (p: { op: string; workspace: string | null; bytes: number; needed: number; where: readonly Place[] }) => ({
    what: p.workspace
      ? `${p.op} has the ${p.bytes} bytes of '${p.workspace}' to work in, and needs ${p.needed}`
      : `${p.op} has no workspace, and needs ${p.needed} bytes`,
    why: 'it would write over what lies behind',
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const wrongKernel = defineDiagnostic(
  'program/wrong-kernel',
  (p: { op: string; kernel: string; where: readonly Place[] }) => ({
    what: `the kernel table has no '${p.kernel}' that runs ${p.op} on these operands`,
    why: 'what runs is what the program names: another kernel would compute something else, or in other memory',
    where: p.where,
    fix: 'this is a fault of the pass that made the program, or the program was made for another type of device',
  }),
);

export const dataflowDiffers = defineDiagnostic(
  'program/dataflow-differs',
  (p: { instruction: string; what: string; where: readonly Place[] }) => ({
    what: `${p.instruction} ${p.what}`,
    why: 'each value must be one that the placed graphs compute',
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const boundaryDiffers = defineDiagnostic(
  'program/boundary-differs',
  (p: { what: string; where: readonly Place[] }) => ({
    what: `a class takes or gives other values than the graphs it was made from: ${p.what}`,
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const collectivesDiffer = defineDiagnostic(
  'program/collectives-differ',
  (p: { lane: string; position: number; one: string; other: string; where: readonly Place[] }) => ({
    what: `ranks of one group do not launch the same collectives on '${p.lane}': number ${p.position} differs`,
    why: `${p.one} meets ${p.other}`,
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const channelsDiffer = defineDiagnostic(
  'program/channels-differ',
  (p: { from: number; to: number; position: number; sent: string; received: string; where: readonly Place[] }) => ({
    what: `message ${p.position} from rank ${p.from} to rank ${p.to} is sent as ${p.sent} and received as ${p.received}`,
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);

export const deadlock = defineDiagnostic('program/deadlock', (p: { how: string; where: readonly Place[] }) => ({
  what: `no schedule completes the step${p.how}`,
  why: 'these instructions wait for one another',
  where: p.where,
  fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
}));

export const notRestored = defineDiagnostic(
  'program/not-restored',
  (p: { value: string; what: string; where: readonly Place[] }) => ({
    what: `after the step '${p.value}' ${p.what}`,
    why: 'what holds after a step must be what the next one and the host expect',
    where: p.where,
    fix: 'this is a fault of the pass that made the program: report it, with the plan that shows it',
  }),
);
