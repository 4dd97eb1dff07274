import { meshRanks, coordinatesOf } from '../ir/mesh.js';
import { parseGraph } from '../ir/parse.js';
import { ops } from '../ops/index.js';
import { parsePlan, placeStep, placeUpdate, printBlocks } from '../partition/example.js';
import type { PlacedGraph } from '../partition/placed.js';
import type { PassExample } from '../passes/example.js';
import type { Slot } from '../schedule/slot.js';
import { referenceKernels } from '../kernels/chooser.js';
import { lowerClass } from './lower_class.js';
import { gathersOf, withLeadIns } from './lead_ins.js';
import { slotSection } from './sections.js';
import { slotsOfSteps, type SlotKind } from './slot_kinds.js';
import { slotOrder } from './slot_order.js';
import type { PlacedGraphs } from '../partition/place_graphs.js';
import { printProgram } from '../program/print.js';
import type { Program } from '../program/program.js';

/** The placed graphs of a step on one mesh, and the order in which it takes its microbatches. */
export interface PlacedStepGraphs {
  readonly step: PlacedGraph;
  readonly update: PlacedGraph | null;
  readonly slots: readonly Slot[];
}

/** A program, and the graphs that it computes. */
export interface ExampleProgram extends Program {
  readonly placed: PlacedGraphs;
}

const plan = 'mesh {data: 2}\nrow: data';

export const lowerExample: PassExample<PlacedStepGraphs, ExampleProgram> = {
  pass: 'lower',
  title: 'Two microbatches and an update, on two ranks',
  about:
    'One text for both ranks. The first microbatch writes the gradient’s sum, the last one accumulates into it (`+`), and the update ' +
    'follows in the last template. The all-reduce runs on the lane of its group: it begins when compute has signalled `start`, and ' +
    'compute waits for `done` just before it reads the sum. `new w` is a view: the updated weight is written over the old one.',
  given: () => {
    const step = placeStep(parsePlan(plan), parseGraph(gradient, ops));
    return { step, update: placeUpdate(parsePlan(plan), step, parseGraph(descent, ops)), slots: twoForwards };
  },
  run: lowerAll,
  before: ({ step, update }) => [
    { heading: 'Plan', text: plan },
    { heading: 'Step, once a microbatch', text: printBlocks(step) },
    { heading: 'Update, once', text: printBlocks(update!) },
  ],
  after: printProgram,
};

const gradient = `
  func @gradient(
    %x: data f32[row=4, dim=4],
    %dy: data f32[row=4, hidden=4]
  ) {
    %0 = einsum(%x, %dy) {to=[dim, hidden]} : f32[dim=4, hidden=4]
    return gradient of w=%0
  }`;

const descent = `
  func @descent(
    %w: parameter f32[dim=4, hidden=4],
    %gradient.w: gradient of w f32[dim=4, hidden=4]
  ) {
    %0 = sub(%w, %gradient.w) : f32[dim=4, hidden=4] ; w update optimizer
    return parameter of w=%0
  }`;

const twoForwards: readonly Slot[] = [
  { chunk: 0, direction: 'forward', microbatch: 0 },
  { chunk: 0, direction: 'forward', microbatch: 1 },
];

/** The program of a step whose ranks all hold blocks of equal sizes. */
export function lowerAll({ step, update, slots }: PlacedStepGraphs): ExampleProgram {
  const [mesh] = step.meshes;
  const members = Array.from({ length: meshRanks(mesh) }, (_, rank) => coordinatesOf(mesh, rank));
  const groups = [{ mesh, firstRank: 0 }];
  const stepSlots = slotsOfSteps(step, { chunkOf: () => 0, groupOf: [0] });
  const sections = { graph: step, slots: stepSlots, gathers: gathersOf(step), prefetch: 1 };
  const section = (slot: SlotKind, first: boolean) => slotSection(sections, 0, slot, first);
  const request = {
    name: 'group 0',
    group: 0,
    members,
    groups,
    step,
    update,
    buckets: [],
    order: withLeadIns(slotOrder(slots, section), section, 1),
    section,
    stepSlots,
    receives: [],
  };
  const lowered = lowerClass({ ...request, registry: ops, kernels: referenceKernels });
  return { classes: [lowered], groups, microbatches: slots.length, placed: { step, update, buckets: [] } };
}
