/** What the reference makes of the texts, in short: it is compared, and not read. */
import { createHash } from 'node:crypto';

/** Of each text: ids where special tokens are text, what these say as text, and of some, ids where special tokens are themselves. */
export type Readings = readonly (readonly [readonly number[], string, readonly number[] | null])[];

/** Of one text in so many special tokens are looked for. */
export const wholeEvery = 5;

export interface Expected {
  /** SHA-256 of all readings. */
  readonly all: string;
  /** Two bytes of the SHA-256 of each {@link groupTexts} readings, in base64: they tell where a text is read otherwise. */
  readonly groups: string;
}

/** So many texts have one hash. */
export const groupTexts = 4;

export function expectedOf(readings: Readings): Expected {
  const groups = Array.from({ length: Math.ceil(readings.length / groupTexts) }, (_, i) =>
    sha256(JSON.stringify(readings.slice(groupTexts * i, groupTexts * (i + 1)))),
  );
  return {
    all: sha256(Buffer.concat(groups)).toString('hex'),
    groups: Buffer.concat(groups.map((hash) => hash.subarray(0, 2))).toString('base64'),
  };
}

/** The groups of texts in which a reading is not as expected, by the number of their first text. */
export function differing(readings: Readings, { groups }: Expected): readonly number[] {
  const [ours, theirs] = [Buffer.from(expectedOf(readings).groups, 'base64'), Buffer.from(groups, 'base64')];
  return Array.from({ length: ours.length / 2 }, (_, i) => i)
    .filter((i) => ours.readUInt16LE(2 * i) !== theirs.readUInt16LE(2 * i))
    .map((i) => groupTexts * i);
}

const sha256 = (content: string | Buffer): Buffer => createHash('sha256').update(content).digest();
