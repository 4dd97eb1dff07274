/**
 * What one class of ranks comes to in a step, from its text: how many bytes are alive at once, and what each lane does. It has no
 * addresses and no loops, which take most of a compiler's time.
 */
import { wireBytes } from '../cost/index.js';
import { dtypeBytes } from '../ir/dtype.js';
import { opNamed, type OpRegistry } from '../ir/op.js';
import { bytesOf, factorsOf } from '../ir/type.js';
import { localSizes } from '../kernels/site.js';
import { keptValues, liveMemory } from '../memory/assign_memory.js';
import type { PartitionCosts } from '../partition/costs.js';
import type { PlacedGraph } from '../partition/placed.js';
import { kernelShape } from '../program/kernel_shape.js';
import type { Instruction, Lane, RankClass } from '../program/program.js';
import { instructionsOf } from '../program/unroll.js';
import { communicationOf } from '../reshard/moves.js';
import type { ClassRequest } from './class_request.js';
import { writeClass } from './lower_class.js';

/** What one rank's lane does in a step. */
export interface LaneQuote {
  readonly lane: Lane;
  /** Instructions, waits and signals among them. */
  readonly launches: number;
  /** Floating-point operations on the rank's own blocks. */
  readonly flops: number;
  /** Bytes that collectives send, or that are sent or received. */
  readonly wireBytes: number;
  /** The sum of its instructions' prices: how long it is busy, whatever it waits for. */
  readonly seconds: number;
}

export interface ClassQuote {
  /** As the compiled class is named. */
  readonly name: string;
  readonly group: number;
  readonly ranks: number;
  /** The most that is alive at once: no arena of the class is smaller. */
  readonly liveBytes: number;
  /** Of `liveBytes`, what is there for the whole step: parameters, optimizer state, scalars. */
  readonly persistentBytes: number;
  readonly lanes: readonly LaneQuote[];
}

export function quoteClass(request: ClassRequest, costs: PartitionCosts): ClassQuote {
  const written = writeClass(request);
  const { name, group, members, values, templates, schedule } = written;
  const memory = liveMemory(values, templates, schedule, keptValues(written), request.memory);
  const prices = { registry: request.registry, meshes: request.step.meshes, costs };
  return { name, group, ranks: members.length, ...memory, lanes: lanesOf(written, prices) };
}

interface Prices {
  readonly registry: OpRegistry;
  readonly meshes: PlacedGraph['meshes'];
  readonly costs: PartitionCosts;
}

type Text = Pick<RankClass, 'group' | 'values' | 'templates'> & {
  readonly schedule: readonly { readonly template: string }[];
};

/** Lanes in the order in which the templates first use them. A template is priced once, however often it runs. */
function lanesOf(text: Text, prices: Prices): readonly LaneQuote[] {
  const times = new Map<string, number>();
  for (const { template } of text.schedule) times.set(template, (times.get(template) ?? 0) + 1);
  const lanes = new Map<Lane, { launches: number; flops: number; wireBytes: number; seconds: number }>();
  for (const template of text.templates) {
    const runs = times.get(template.name) ?? 0;
    for (const instruction of instructionsOf(template)) {
      const { lane } = instruction;
      const sum = lanes.get(lane) ?? { launches: 0, flops: 0, wireBytes: 0, seconds: 0 };
      const { flops, wireBytes: bytes, seconds } = priceOf(instruction, text, prices);
      sum.launches += runs;
      sum.flops += runs * flops;
      sum.wireBytes += runs * bytes;
      sum.seconds += runs * seconds;
      lanes.set(lane, sum);
    }
  }
  return [...lanes].map(([lane, sums]) => ({ lane, ...sums }));
}

/** One run of an instruction. */
function priceOf(
  instruction: Instruction,
  { group, values }: Text,
  { registry, meshes, costs }: Prices,
): Omit<LaneQuote, 'lane' | 'launches'> {
  switch (instruction.kind) {
    case 'kernel': {
      const shape = kernelShape(instruction, values);
      const { op, rule, attributes } = instruction;
      const flops = opNamed(registry, op).flops(rule, localSizes({ ...shape, origins: {} }), attributes);
      const { kernel } = instruction;
      const blocks = (operands: readonly { readonly value: number }[]) =>
        operands.map(({ value }) => values[value].type);
      const [operands, results] = [blocks(instruction.inputs), blocks(instruction.outputs)];
      const bytes = [...operands, ...results].reduce((sum, type) => sum + bytesOf(type), 0);
      const node = { op, rule, attributes };
      const { device, id } = kernel;
      const work = { node, assignment: null, operands, results, kernel: id, device, flops, bytes };
      return { flops, wireBytes: 0, seconds: costs.seconds(work) };
    }
    case 'collective': {
      const { global, move } = instruction;
      const communication = communicationOf(meshes[group], factorsOf(global), move, dtypeBytes[global.dtype]);
      return {
        flops: 0,
        wireBytes: wireBytes(communication),
        seconds: costs.communicationSeconds(communication, group),
      };
    }
    case 'send':
    case 'receive': {
      const bytes = bytesOf(values[instruction.operand.value].type);
      return { flops: 0, wireBytes: bytes, seconds: costs.transferSeconds(bytes, 1) };
    }
    default:
      return { flops: 0, wireBytes: 0, seconds: 0 };
  }
}
