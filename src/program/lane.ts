/** Lanes of communication: the one place that names them. Nobody reads the name; axes and groups stand in the instructions. */
import type { AxisName } from '../ir/mesh.js';
import type { Lane, TransferInstruction } from './program.js';

/** The lane of the communicator along some axes of a mesh, in whichever order. */
export const laneAlong = (axes: readonly AxisName[]): Extract<Lane, `group:${string}`> =>
  `group:${[...axes]
    .sort()
    .map((axis) => (/^\w+$/.test(axis) ? axis : JSON.stringify(axis)))
    .join('*')}`;

/** The lane of a message: by the group at its other end. */
export const transferLane = ({ kind, edge }: Pick<TransferInstruction, 'kind' | 'edge'>): Lane =>
  kind === 'send' ? `send:${edge.toGroup}` : `receive:${edge.fromGroup}`;
