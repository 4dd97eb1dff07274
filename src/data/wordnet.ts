/**
 * WordNet's dictionary as prose: what each of its entries means, and the sentences that show its use.
 *
 *   00402447 04 n 01 rejuvenation 0 003 @ 00269401 n 0000 … | the act of restoring to a more youthful condition
 *   →  Rejuvenation: the act of restoring to a more youthful condition.
 *
 * Source: wndb(5WN), "Format of WordNet database files", Princeton University.
 */
import type { RecordText } from './records.js';

/** Whether these are entries of one part of speech, as files of WordNet hold them: `data.noun`, `data.verb`, `data.adj`, `data.adv`. */
export const isWordNet = (path: string, text: string): boolean =>
  /(^|\/)data\.(noun|verb|adj|adv)$/.test(path) && /^(?: {2}\d+ .*\n)*\d{8} \d\d [nvasr] /.test(text.slice(0, 16_384));

/** Entries of one topic that make a document. */
const entriesTogether = 200;

/** Entries as lines, those of a topic (a file of the lexicographers, of which there are 45) in documents of some hundred. */
export function wordNetDocuments(text: string): readonly RecordText[] {
  const topics = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const entry = entryOf(line);
    if (entry === null) continue;
    const topic = line.slice(9, 11);
    const lines = topics.get(topic);
    if (lines) lines.push(entry);
    else topics.set(topic, [entry]);
  }
  return [...topics].flatMap(([topic, lines]) =>
    Array.from({ length: Math.ceil(lines.length / entriesTogether) }, (_, k) => ({
      name: `:${topic}-${k}`,
      text: `${lines.slice(k * entriesTogether, (k + 1) * entriesTogether).join('\n')}\n`,
    })),
  );
}

/** Latin names of living things: a tenth of all entries, and hardly English. */
const isTaxon = (word: string): boolean =>
  /^(genus|family|order|class|phylum|division|sub\w+|super\w+)_[A-Z]/.test(word);

/** An entry as a sentence and its examples; null for what is none: the licence at the top of the file, the last line. */
function entryOf(line: string): string | null {
  const bar = line.indexOf(' | ');
  if (bar < 0 || !/^\d{8} /.test(line)) return null;
  const word = line.split(' ', 5)[4];
  if (isTaxon(word)) return null;
  const gloss = line.slice(bar + 3);
  const quoted = gloss.indexOf('"');
  const meaning = (quoted < 0 ? gloss : gloss.slice(0, quoted)).trim().replace(/[;:,.\s]+$/, '');
  if (meaning === '') return null;
  const examples = [...gloss.matchAll(/"([^"]+)"/g)].map(([, example]) => sentence(example.trim()));
  // Of adjectives, `(a)`, `(p)` and `(ip)` say where they may stand.
  const name = capitalized(word.replace(/\([a-z]+\)$/, '').replaceAll('_', ' '));
  return [`${name}: ${meaning}.`, ...examples].join(' ');
}

const sentence = (text: string): string => capitalized(/[.!?]$/.test(text) ? text : `${text.replace(/[,;:]$/, '')}.`);

const capitalized = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);
