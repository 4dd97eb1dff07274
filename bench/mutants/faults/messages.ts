/** Wrong messages between groups. */
import type { GraphValue, TransferInstruction } from '../../../src/program/program.js';
import { replaceAt, sitesOf } from '../edit.js';
import type { Mutations } from '../mutant.js';
import { drop, isTransfer, mutant, onOne, onPair } from './site.js';

export const messages: Mutations = {
  drop_send_or_receive: onOne(isTransfer, (program, site) => drop(program, site)),
  swap_messages: onPair(isTransfer, (_, a, b) => a.instruction.kind === b.instruction.kind),
  wrong_peer: onOne(isTransfer, (program, site, random) => {
    const transfer = site.instruction as TransferInstruction;
    const ranks = program.classes.reduce((n, { members }) => n + members.length, 0);
    const peers = transfer.peers.map((peer) => (peer === null ? null : (peer + 1 + random.int(ranks - 1)) % ranks));
    return mutant(replaceAt(program, site, { ...transfer, peers }), site);
  }),
  wrong_tag: onOne(isTransfer, (program, site, random) => {
    const transfer = site.instruction as TransferInstruction;
    const tags = sitesOf(program, isTransfer).map(({ instruction }) => (instruction as TransferInstruction).tag);
    const same = ({ graph, value }: GraphValue) => graph === transfer.tag.graph && value === transfer.tag.value;
    const tag = random.pick([...tags, { ...transfer.tag, value: transfer.tag.value + 1 }]);
    return same(tag) ? null : mutant(replaceAt(program, site, { ...transfer, tag }), site);
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
