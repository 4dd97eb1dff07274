/** Digests as another process might give them: what does not fit together is told, and what is no digest is taken for none. */
import { expect, test } from 'vitest';
import { mlp } from '../../tests/scenarios/mlp.js';
import { buildScenario } from '../../tests/scenarios/scenario.js';
import { ops } from '../ops/index.js';
import type { ClassDigest } from './digest.js';
import { verifyMeetings } from './meetings.js';
import { parseProof, proofText } from './proof_text.js';
import { verifyClasses } from './verify.js';

/** Three sequences over two ranks: a class each. */
const { program, placed } = buildScenario({
  ...mlp({ batch: 3, dim: 4, hidden: 4, layers: 1, update: 'sgd' }),
  mesh: { data: 2 },
  split: { batch: ['data'] },
});
const digests = verifyClasses(program, placed, ops).map(({ digest }) => digest!);
const said = (of: readonly ClassDigest[]) => verifyMeetings(program.groups, of).map(({ code }) => code);
const changed = (at: number, change: (digest: ClassDigest) => Partial<ClassDigest>) =>
  digests.map((digest, i) => (i === at ? { ...digest, ...change(digest) } : digest));

test('as they are, they meet', () => {
  expect(digests).toHaveLength(2);
  expect(said(digests)).toEqual([]);
});

test.each([0, 1])('class %i signals on a lane and takes no part in its collectives', (at) => {
  const without = changed(at, ({ templates }) => ({
    templates: templates.map(({ name, lines }) => ({ name, lines: lines.filter(({ kind }) => kind !== 'collective') })),
  }));
  expect(said(without)).toContain('program/collectives-differ');
});

test.each<readonly [what: string, (digest: ClassDigest) => Partial<ClassDigest>]>([
  ['a rank beyond its group', ({ ranks }) => ({ ranks: [...ranks, 2] })],
  ['a rank beyond all numbers', ({ ranks }) => ({ ranks: [...ranks, 2 ** 52] })],
  ['a group that there is not', () => ({ group: 7 })],
  [
    'axes that its mesh lacks',
    ({ templates }) => ({
      templates: templates.map(({ name, lines }) => ({
        name,
        lines: lines.map((line) => (line.kind === 'collective' ? { ...line, axes: ['__proto__'] } : line)),
      })),
    }),
  ],
])('%s', (_, change) => {
  expect(said(changed(1, change))).toContain('program/malformed');
});

test('no proof: no digest and no fault, an index of nothing, no JSON', () => {
  const [digest] = digests;
  const text = proofText({ faults: [], digest });
  expect(parseProof(text)).toEqual({ faults: [], digest });
  const { schedule } = digest;
  for (const broken of [
    { faults: [], digest: null },
    { faults: [], digest: { ...digest, lanes: [] } },
    { faults: [], digest: { ...digest, ranks: [] } },
    { faults: [], digest: { ...digest, schedule: [...schedule, { template: 99, microbatch: 0 }] } },
  ])
    expect(parseProof(JSON.stringify(broken))).toBeNull();
  expect(parseProof('')).toBeNull();
});
