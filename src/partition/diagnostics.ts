/** What partitioning and its checker refuse. */
import { defineDiagnostic, nearest } from '../ir/diagnostic.js';
import type { Source } from '../ir/graph.js';
import { printLayout, type Layout, type Reduction } from '../ir/layout.js';
import type { AxisName } from '../ir/mesh.js';
import { printType, type TensorType } from '../ir/type.js';
import type { PlannedPath } from '../plan/plan.js';
import type { Scope } from '../plan/scope.js';

export const placeOf = (source: Source): string => `${source.path || 'model'}, ${source.phase}`;

export const scopeNamesNothing = defineDiagnostic(
  'partition/scope-names-nothing',
  (p: { of: string; known: readonly string[] }) => {
    const paths = [...new Set(p.known.map((path) => path.replace(/\.\d+(?=\.|$)/g, '.*')))].filter(Boolean);
    const near = nearest(p.of, paths);
    return {
      what: `the plan says how long what '${p.of}' makes is kept, and nothing of the model lies there`,
      where: [{ at: 'plan, scopes' }],
      fix: near ? `write '${near}'` : `name a module, such as ${paths.slice(0, 3).join(', ')}; '*' is the whole model`,
    };
  },
);

export const segmentWithoutChunk = defineDiagnostic(
  'partition/segment-without-chunk',
  (p: { segment: string; known: readonly string[] }) => {
    const near = nearest(p.segment, p.known);
    return {
      what: `no chunk of the plan has the segment '${p.segment}'`,
      where: [{ at: 'plan, chunks' }],
      fix: `add it to a chunk${near ? `, perhaps for '${near}'` : ''}`,
    };
  },
);

export const noAssignment = defineDiagnostic('partition/no-assignment', (p: { op: string; source: Source }) => ({
  what: `no way was found to place ${p.op}`,
  why: 'every candidate needs an operand in a layout that no reshard reaches',
  where: [{ at: placeOf(p.source) }],
  fix: 'remove the hint for this op from the plan',
}));

/** `whole`: the op that the node would be a part of, which is not decomposed. */
export const unknownNode = defineDiagnostic(
  'partition/unknown-node',
  (p: { name: string; field: string; nearest: string | null; whole: string | null }) => ({
    what: `the plan assigns '${p.name}', and there is no such node`,
    ...(p.whole && { why: `${p.whole} runs as one kernel: it is not decomposed` }),
    where: [{ at: 'plan', note: `field ${p.field}` }],
    fix: p.whole
      ? 'remove it, or split a factor that the op needs whole'
      : p.nearest
        ? `write '${p.nearest}'`
        : 'remove it; the resolved plan (plan.resolved.json of a run) has the names of all nodes',
  }),
);

export const illegalAssignment = defineDiagnostic(
  'partition/illegal-assignment',
  (p: { field: string; problem: string; fix: string }) => ({
    what: `the plan has an assignment that is illegal: ${p.problem}`,
    where: [{ at: 'plan', note: `field ${p.field}` }],
    fix: p.fix,
  }),
);

export const noSuchVersion = defineDiagnostic(
  'partition/no-such-version',
  (p: { field: string; route: string; known: readonly string[] }) => ({
    what: `the plan takes an operand from '${p.route}', and no version of it lies so`,
    where: [{ at: 'plan', note: `field ${p.field}` }],
    fix: `write ${p.known.length === 1 ? `'${p.known[0]}'` : `one of ${p.known.map((route) => `'${route}'`).join(', ')}`}, or remove it`,
  }),
);

export const unusedPath = defineDiagnostic(
  'partition/unused-path',
  (p: { field: string; path: PlannedPath; taken: readonly PlannedPath[] }) => {
    const text = ({ on, of, from, to }: PlannedPath) => `${of} from ${from} to ${to} @${on}`;
    const near = nearest(text(p.path), p.taken.map(text));
    return {
      what: `nothing takes the path of the plan for ${text(p.path)}`,
      where: [{ at: 'plan', note: `field ${p.field}` }],
      fix: near ? `write ${near}` : 'remove it',
    };
  },
);

export const noReshard = defineDiagnostic(
  'partition/no-reshard',
  (p: { value: string; type: TensorType; layout: Layout }) => ({
    what: `no reshard brings '${p.value}' into ${printLayout(p.layout, p.type)}`,
    why: `it is ${printType(p.type)}`,
    where: [{ at: p.value }],
    fix: 'choose a storage layout that splits factors of this value over axes of its mesh',
  }),
);

export const partialReadNonlinearly = defineDiagnostic(
  'partition/partial-read-nonlinearly',
  (p: { op: string; reduction: Reduction; axis: AxisName; made: string; read: Source }) => ({
    what: `${p.op} reads a value that is still a ${p.reduction} over '${p.axis}'`,
    why: `each rank would apply ${p.op} to its own part: a wrong number, silently`,
    where: [
      { at: p.made, note: 'partial since here' },
      { at: placeOf(p.read), note: 'read here' },
    ],
    fix: `let the planner reshard, or, if ${p.op} is linear in this operand, declare it in ops/${p.op}.ts`,
  }),
);

export const axisHasTwoRoles = defineDiagnostic(
  'partition/axis-has-two-roles',
  (p: { op: string; axis: AxisName; source: Source }) => ({
    what: `axis '${p.axis}' has two roles in ${p.op}`,
    why: 'within one op a mesh axis splits one factor or carries one partial sum, never both',
    where: [{ at: placeOf(p.source) }],
    fix: 'give the op one use of the axis',
  }),
);

export const wholeFactorSplit = defineDiagnostic(
  'partition/whole-factor-split',
  (p: { op: string; factor: string; source: Source }) => ({
    what: `${p.op} needs the factor '${p.factor}' whole, and it is split`,
    where: [{ at: placeOf(p.source) }],
    fix: 'decompose the op, or leave the factor unsplit',
  }),
);

export const boundsDoNotFit = defineDiagnostic(
  'partition/bounds-do-not-fit',
  (p: { op: string; factor: string; bounds: readonly number[]; size: number; source: Source }) => ({
    what: `the boundaries [${p.bounds.join(', ')}] of '${p.factor}' do not cut ${p.size} elements`,
    where: [{ at: placeOf(p.source) }],
    fix: 'give parts + 1 ascending boundaries from 0 to the size',
  }),
);

export const ruleMismatch = defineDiagnostic(
  'partition/rule-mismatch',
  (p: { op: string; what: string; source: Source }) => ({
    what: `${p.op} ${p.what}`,
    where: [{ at: placeOf(p.source) }],
    fix: 'assign the op as its rule says',
  }),
);

export const otherGroup = defineDiagnostic(
  'partition/other-group',
  (p: { op: string; value: string; group: number; source: Source }) => ({
    what: `${p.op} meets '${p.value}', which is of group ${p.group}`,
    where: [{ at: placeOf(p.source) }],
    fix: 'insert the transfer between them',
  }),
);

export const layoutMismatch = defineDiagnostic(
  'partition/layout-mismatch',
  (p: { step: string; value: string; has: Layout; needs: Layout; source: Source }) => ({
    what: `${p.step} needs '${p.value}' as ${printLayout(p.needs)}, and it is ${printLayout(p.has)}`,
    where: [{ at: placeOf(p.source) }],
    fix: 'insert the reshard between them',
  }),
);

export const seamDiffers = defineDiagnostic(
  'partition/seam-differs',
  (p: { name: string; is: Laid; other: Laid | null }) => {
    const text = ({ type, layout, group }: Laid) => `${printType(type)} ${printLayout(layout)} of group ${group}`;
    return {
      what: `'${p.name}' is ${text(p.is)} for the update, and ${p.other ? text(p.other) : 'nothing of that group'} beside it`,
      why: 'what a step leaves is read where it lies: a sum that one side takes for reduced would be a part of it',
      where: [{ at: `'${p.name}'` }],
      fix: 'this is a fault of the pass that placed them: report it, with the plan that shows it',
    };
  },
);

/** A value as a graph states it. */
interface Laid {
  readonly type: TensorType;
  readonly layout: Layout;
  readonly group: number;
}

export const illegalMove = defineDiagnostic(
  'partition/illegal-move',
  (p: { move: string; from: Layout; to: Layout; why: string; source: Source }) => ({
    what: `${p.move} does not lead from ${printLayout(p.from)} to ${printLayout(p.to)}`,
    why: p.why,
    where: [{ at: placeOf(p.source) }],
    fix: 'take moves from the reshard search',
  }),
);

export const otherValue = defineDiagnostic('partition/other-value', (p: { name: string; what: string }) => ({
  what: `the placed graph does not give '${p.name}' as the graph does that it was made of: ${p.what}`,
  why: 'a decomposed or fused op was wired wrongly, or a version of another value was read',
  where: [{ at: p.name }],
  fix: 'this is a fault of the partitioner: report it, with the plan that shows it',
}));

export const recordDiffers = defineDiagnostic(
  'partition/record-differs',
  (p: { name: string; group: number; what: string }) => ({
    what: `the record of '${p.name}' on group ${p.group} is not what the step has: ${p.what}`,
    why: 'state is written and read by what the record says: a checkpoint would be loaded to other places',
    where: [{ at: p.name }],
    fix: 'this is a fault of the pass that made the buckets: report it, with the plan that shows it',
  }),
);

export const scopeBroken = defineDiagnostic(
  'partition/scope-broken',
  (p: { value: string; scope: Scope; what: string; made: Source | null }) => ({
    what: `'${p.value}' is kept for one ${p.scope}, and ${p.what}`,
    why: 'its bytes are another value’s by then, or another microbatch’s',
    where: [{ at: p.made ? placeOf(p.made) : p.value, note: 'made here' }],
    fix: 'this is a fault of the partitioner: report it, with the plan that shows it',
  }),
);

export const reducedInAnotherType = defineDiagnostic(
  'partition/reduced-in-another-type',
  (p: { step: string; is: string; wanted: string; source: Source }) => ({
    what: `${p.step} reduces a gradient in ${p.is}, and the plan has gradients reduced in ${p.wanted}`,
    why: 'what is reduced in fewer bits loses more of each addend than the plan allows, and in more bits sends more than it says',
    where: [{ at: placeOf(p.source) }],
    fix: 'this is a fault of the partitioner: report it, with the plan that shows it',
  }),
);

export const addendsRounded = defineDiagnostic(
  'partition/addends-rounded',
  (p: { op: string; value: string; source: Source }) => ({
    what: `${p.op} rounds each addend of '${p.value}' by itself`,
    why: 'the plan allows that of gradients alone, in the type in which it has them reduced: another sum would lose bits in silence',
    where: [{ at: placeOf(p.source) }],
    fix: 'cast the sum, after it has been reduced: the op cast does',
  }),
);

export const sumRounds = defineDiagnostic(
  'partition/sum-rounds',
  (p: { output: string; value: string; source: Source | null }) => ({
    what: `'${p.output}' is to be the same under any plan, and adds up '${p.value}', which is not on its grid`,
    why: 'a sum of other numbers rounds, and where it does follows the order in which a plan adds them',
    where: p.source ? [{ at: placeOf(p.source) }] : [],
    fix: 'put each addend on the grid of the step: exact_sums does so for all that a step gives',
  }),
);

export const readBeforeWritten = defineDiagnostic(
  'partition/read-before-written',
  (p: { step: string; value: string; source: Source }) => ({
    what: `${p.step} reads '${p.value}' before anything writes it`,
    where: [{ at: placeOf(p.source) }],
    fix: 'order the steps by their values',
  }),
);

export const sumNotRead = defineDiagnostic('partition/sum-not-read', (p: { name: string }) => ({
  what: `the step gives '${p.name}', and the update does not read it`,
  why: 'a part of a gradient that nothing adds would be a wrong gradient, silently',
  where: [{ at: p.name }],
  fix: 'let the update read every gradient that the step gives, by name or as the member of a bucket',
}));
