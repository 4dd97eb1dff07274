/** Texts of any length through the store of a job, which takes no more than 8 MiB at once (torch's TCPStore, MAX_PAYLOAD_LEN). */
import type { Peers } from './peers.js';

/** Characters, of up to four bytes each. */
const mostAtOnce = 1_000_000;

export async function setLong(
  peers: Pick<Peers, 'set'>,
  key: string,
  text: string,
  pieceLength = mostAtOnce,
): Promise<void> {
  const pieces = text.match(new RegExp(`[^]{1,${pieceLength}}`, 'gu')) ?? [];
  for (const [i, piece] of pieces.entries()) await peers.set(`${key}/${i}`, piece);
  await peers.set(key, String(pieces.length));
}

/** More pieces than any text has that is told: beyond, whoever wrote their number wrote something else. */
const mostPieces = 10_000;

/** Waits until it is set, as `peers.get` does; what is no text of pieces is empty. */
export async function getLong(peers: Pick<Peers, 'get'>, key: string): Promise<string> {
  const count = Number(await peers.get(key));
  if (!Number.isInteger(count) || count > mostPieces) return '';
  const pieces: string[] = [];
  for (let i = 0; i < count; i++) pieces.push(await peers.get(`${key}/${i}`));
  return pieces.join('');
}
