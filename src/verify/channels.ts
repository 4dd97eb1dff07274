/** On every channel (a pair of ranks) the k-th send is the k-th receive: the same tile of the same value, of one type and size. */
import type { DiagnosticError, Place } from '../ir/diagnostic.js';
import type { MessageLine } from './digest.js';
import * as diagnose from './diagnostics.js';
import { placeOfLine, type LaunchedLine, type Party } from './party.js';

interface Message extends LaunchedLine<MessageLine> {
  readonly party: Party;
  /** The microbatch of the value that travels; null where a step has one instance: the slots at its ends may be of any. */
  readonly instance: number | null;
  /** Which send or receive of its class it is. */
  readonly position: number;
}

interface Channel {
  readonly from: number;
  readonly to: number;
  readonly sends: Message[];
  readonly receives: Message[];
}

export function checkChannels(parties: readonly Party[]): readonly DiagnosticError[] {
  return channelsOf(parties).flatMap(({ from, to, sends, receives }) => {
    for (let position = 0; position < Math.max(sends.length, receives.length); position++) {
      const [sent, received] = [sends[position], receives[position]];
      if (sent && received && sent.line.text === received.line.text && sent.instance === received.instance) continue;
      const print = (m: Message | undefined) =>
        m ? `${m.line.text}${m.instance === null ? '' : ` @${m.instance}`}` : 'nothing';
      const where = [...placeOf(sent), ...placeOf(received)];
      return [diagnose.channelsDiffer({ from, to, position, sent: print(sent), received: print(received), where })];
    }
    return [];
  });
}

export function channelsOf(parties: readonly Party[]): readonly Channel[] {
  const channels = new Map<string, Channel>();
  const channel = (from: number, to: number): Channel => {
    const key = `${from}>${to}`;
    const known = channels.get(key);
    if (known) return known;
    const made = { from, to, sends: [], receives: [] };
    channels.set(key, made);
    return made;
  };
  for (const party of parties) {
    const positions = { send: 0, receive: 0 };
    for (const step of party.steps) {
      for (const line of step.lines) {
        if (line.kind !== 'send' && line.kind !== 'receive') continue;
        const position = positions[line.kind]++;
        const message: Message = { party, line, step, instance: line.each ? step.microbatch : null, position };
        line.peers.forEach((peer, member) => {
          if (peer === null) return;
          const rank = party.ranks[member];
          if (line.kind === 'send') channel(rank, peer).sends.push(message);
          else channel(peer, rank).receives.push(message);
        });
      }
    }
  }
  return [...channels.values()];
}

const placeOf = (message: Message | undefined): readonly Place[] =>
  message ? [placeOfLine(message.party, message)] : [];
