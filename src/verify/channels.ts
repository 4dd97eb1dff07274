/** Rule 6: on every channel (a pair of ranks) the k-th send is the k-th receive: the same tile of the same value, of one type and size. */
import type { DiagnosticError, Place } from '../ir/diagnostic.js';
import { printLayout } from '../ir/layout.js';
import { printFactors } from '../ir/type.js';
import { printTag } from '../program/kinds.js';
import { baseOf } from '../program/place.js';
import { isPerMicrobatch } from '../program/unroll.js';
import { describe, describeRanks, type CompiledClass, type CompiledInstruction } from './compiled_class.js';
import * as diagnose from './diagnostics.js';

interface Message {
  readonly compiled: CompiledClass;
  readonly at: CompiledInstruction;
  /** Of the slot that it leaves or arrives in. */
  readonly microbatch: number;
  /** The microbatch of the value that travels; null where a step has one instance: the slots at its ends may be of any. */
  readonly instance: number | null;
  /** Which send or receive of its class it is. */
  readonly position: number;
  readonly text: string;
}

interface Channel {
  readonly from: number;
  readonly to: number;
  readonly sends: Message[];
  readonly receives: Message[];
}

export function checkChannels(classes: readonly CompiledClass[]): readonly DiagnosticError[] {
  return channelsOf(classes).flatMap(({ from, to, sends, receives }) => {
    for (let position = 0; position < Math.max(sends.length, receives.length); position++) {
      const [sent, received] = [sends[position], receives[position]];
      if (sent && received && sent.text === received.text && sent.instance === received.instance) continue;
      const print = (m: Message | undefined) =>
        m ? `${m.text}${m.instance === null ? '' : ` @${m.instance}`}` : 'nothing';
      const where = [...placeOf(sent), ...placeOf(received)];
      return [diagnose.channelsDiffer({ from, to, position, sent: print(sent), received: print(received), where })];
    }
    return [];
  });
}

export function channelsOf(classes: readonly CompiledClass[]): readonly Channel[] {
  const channels = new Map<string, Channel>();
  const channel = (from: number, to: number): Channel => {
    const key = `${from}>${to}`;
    const known = channels.get(key);
    if (known) return known;
    const made = { from, to, sends: [], receives: [] };
    channels.set(key, made);
    return made;
  };
  for (const compiled of classes) {
    const positions = { send: 0, receive: 0 };
    for (const { step, body } of compiled.steps) {
      for (const at of body) {
        const { instruction } = at;
        if (instruction.kind !== 'send' && instruction.kind !== 'receive') continue;
        const { tag, edge, operand } = instruction;
        const { values } = compiled.rankClass;
        const buffer = printFactors(values[operand.value].type);
        const layouts = `${printLayout(edge.from)} -> ${printLayout(edge.to)}`;
        const text = `${printTag(tag)} ${buffer} of ${printFactors(edge.global)} ${layouts}`;
        const position = positions[instruction.kind]++;
        const { microbatch } = step;
        const instance = isPerMicrobatch(values, baseOf(values, operand.value)) ? microbatch : null;
        const message: Message = { compiled, at, microbatch, instance, position, text };
        instruction.peers.forEach((peer, member) => {
          if (peer === null) return;
          const rank = compiled.ranks[member];
          if (instruction.kind === 'send') channel(rank, peer).sends.push(message);
          else channel(peer, rank).receives.push(message);
        });
      }
    }
  }
  return [...channels.values()];
}

function placeOf(message: Message | undefined): readonly Place[] {
  return message ? [{ at: describe(message.at, message.microbatch), note: describeRanks(message.compiled) }] : [];
}
