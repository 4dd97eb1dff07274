/** Wrong messages between groups. */
import { edgeText } from '../../../src/program/edges.js';
import type { GraphValue, TileInstruction, TransferInstruction } from '../../../src/program/program.js';
import { replaceAt, scoped, sitesOf } from '../edit.js';
import type { Mutations } from '../mutant.js';
import { drop, isTile, isTransfer, mutant, onOne, onPair } from './site.js';

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
  wrong_tile: onOne(isTile, (program, site, random) => {
    const instruction = site.instruction as TileInstruction;
    const { edge, message } = instruction;
    const others = sitesOf(program, isTile).flatMap(({ instruction: other }) =>
      isTile(other) && edgeText(other.edge) !== edgeText(edge) ? [other.edge] : [],
    );
    const changes: readonly Partial<TileInstruction>[] = [
      { message: message === 0 ? 1 : message - 1 },
      { edge: { ...edge, from: edge.to, to: edge.from } },
      ...(others.length > 0 ? [{ edge: random.pick(others) }] : []),
    ];
    return mutant(replaceAt(program, site, { ...instruction, ...random.pick(changes) }), site);
  }),
  /** Each of two tiles goes where the other should, or comes from there. */
  exchange_tiles: (original, random) => {
    const program = scoped(original, random);
    const tiles = sitesOf(program, isTile);
    const pairs = tiles.flatMap((a) =>
      tiles.flatMap((b) =>
        a.c === b.c && a.t === b.t && a.i < b.i && a.instruction.kind === b.instruction.kind ? [[a, b] as const] : [],
      ),
    );
    if (pairs.length === 0) return null;
    const [a, b] = random.pick(pairs);
    const [one, other] = [a.instruction as TileInstruction, b.instruction as TileInstruction];
    const field = random.pick(['input', 'output'] as const);
    const changed = replaceAt(program, a, { ...one, [field]: other[field] });
    return mutant(replaceAt(changed, b, { ...other, [field]: one[field] }), a, b);
  },
};
