/** Lanes of communication: the one place that names them. Nobody reads the name; axes and groups stand in the instructions. */
import type { AxisName } from '../ir/mesh.js';
import type { CollectiveInstruction, Instruction, Lane, TransferInstruction } from './program.js';

/** The lane of the communicator along some axes of a mesh, in whichever order. */
export const laneAlong = (axes: readonly AxisName[]): Extract<Lane, `group:${string}`> =>
  `group:${[...axes]
    .sort()
    .map((axis) => (/^\w+$/.test(axis) ? axis : JSON.stringify(axis)))
    .join('*')}`;

/** The lane of a message: by the group at its other end. */
export const transferLane = ({ kind, edge }: Pick<TransferInstruction, 'kind' | 'edge'>): Lane =>
  kind === 'send' ? `send:${edge.toGroup}` : `receive:${edge.fromGroup}`;

/** The axes of each communicator that these instructions use, by its lane. */
export function communicatorsIn(instructions: Iterable<Instruction>): ReadonlyMap<Lane, readonly AxisName[]> {
  const found = new Map<Lane, readonly AxisName[]>();
  for (const one of instructions) if (isCollective(one) && !found.has(one.lane)) found.set(one.lane, one.axes);
  return found;
}

const isCollective = (one: Instruction): one is CollectiveInstruction => one.kind === 'collective';
