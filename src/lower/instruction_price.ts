/** What one instruction of a program comes to, by the prices that the partitioner goes by. */
import { wireBytes } from '../cost/index.js';
import { dtypeBytes } from '../ir/dtype.js';
import { opNamed, type OpRegistry } from '../ir/op.js';
import { bytesOf, factorsOf } from '../ir/type.js';
import { localSizes } from '../kernels/site.js';
import type { PartitionCosts } from '../partition/costs.js';
import type { PlacedGraph } from '../partition/placed.js';
import { kernelShape } from '../program/kernel_shape.js';
import type { Instruction, RankClass } from '../program/program.js';
import { communicationOf } from '../reshard/moves.js';

export interface InstructionPrice {
  /** Floating-point operations on the rank's own blocks. */
  readonly flops: number;
  /** Bytes that a collective sends, or that are sent or received. */
  readonly wireBytes: number;
  readonly seconds: number;
}

export interface Prices {
  readonly registry: OpRegistry;
  readonly meshes: PlacedGraph['meshes'];
  readonly costs: PartitionCosts;
}

/** The class whose instruction it is. */
export type PricedText = Pick<RankClass, 'group' | 'values'>;

/** One run of an instruction. */
export function priceOf(
  instruction: Instruction,
  { group, values }: PricedText,
  { registry, meshes, costs }: Prices,
): InstructionPrice {
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
