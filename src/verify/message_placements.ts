/**
 * Placements of messages between groups: both ends derive the same tiles, peers and buffers from the layouts at the two ends of an edge,
 * which are legal there (`structure.ts`).
 */
import { elementsOf, printFactors, sameFactors } from '../ir/type.js';
import { edgeText, messagesOfAll, type MessagesOfAll } from '../program/edges.js';
import { titleOf } from '../program/kinds.js';
import type { GroupEdge, TileInstruction, TransferInstruction, ValueIndex } from '../program/program.js';
import { placesOf, type CompiledInstruction, type Places } from './compiled_class.js';
import * as diagnose from './diagnostics.js';
import type { Laid } from './laid.js';

export class MessagePlacements {
  private readonly laid: Laid;
  private readonly messages: MessagesOfAll;

  constructor(laid: Laid) {
    this.laid = laid;
    const { groups, rankClass } = laid.compiled;
    this.messages = messagesOfAll(groups, rankClass.members);
  }

  /** A tile of a block: both groups derive the same tiles from the layouts at the two ends of the edge. */
  checkTile(at: CompiledInstruction, instruction: TileInstruction): void {
    const { kind, edge, message, input, output } = instruction;
    const where = () => placesOf(this.laid.compiled, at);
    const packs = kind === 'pack_tile';
    const [block, buffer] = packs ? [input.value, output.value] : [output.value, input.value];
    const value = this.laid.values[block];
    if (!sameFactors(value.global, edge.global)) {
      const what = `'${value.name}' is ${printFactors(value.global)}, not ${printFactors(edge.global)}`;
      this.laid.faults.push(diagnose.wrongTile({ tag: titleOf(instruction), what, where: where() }));
    } else this.laid.expect(kind, value, packs ? edge.from : edge.to, where);
    this.expectTile(edge, message, packs, buffer, titleOf(instruction), where);
  }

  checkTransfer(at: CompiledInstruction, instruction: TransferInstruction): void {
    const { kind, edge, message, peers, operand } = instruction;
    const tag = titleOf(instruction);
    const where = () => placesOf(this.laid.compiled, at);
    const sends = kind === 'send';
    this.expectTile(edge, message, sends, operand.value, tag, where);
    const { firstRank } = this.laid.compiled.groups[sends ? edge.toGroup : edge.fromGroup];
    const expected = this.messages(edge, sends ? 'outgoing' : 'incoming').map((list) => {
      const found = list[message];
      return found ? firstRank + (sends ? found.toRank : found.fromRank) : null;
    });
    if (String(expected) !== String(peers)) {
      this.laid.faults.push(
        diagnose.wrongTile({
          tag,
          what: `its peers are ${peers.join(', ')}, not ${expected.join(', ')}`,
          where: where(),
        }),
      );
    }
  }

  /** A contiguous buffer of one message, as large as the largest of the class. */
  private expectTile(
    edge: GroupEdge,
    message: number,
    outgoing: boolean,
    index: ValueIndex,
    tag: string,
    where: Places,
  ): void {
    const { name, type, view } = this.laid.values[index];
    const counts = this.messages(edge, outgoing ? 'outgoing' : 'incoming').flatMap((list) =>
      list[message] ? [list[message].elements] : [],
    );
    const wrong = (what: string) => this.laid.faults.push(diagnose.wrongTile({ tag, what, where: where() }));
    if (type.dtype !== edge.global.dtype || view || counts.some((count) => count !== elementsOf(type))) {
      wrong(
        `'${name}' is ${printFactors(type)}, which is no buffer of ${counts.join(' or ')} elements of ${edge.global.dtype}`,
      );
    }
    const holds = `message ${message} ${edgeText(edge)}`;
    const known = this.laid.staged.get(index);
    if (known === undefined) this.laid.staged.set(index, holds);
    else if (known !== holds) wrong(`'${name}' belongs to another message: ${known}`);
  }
}
