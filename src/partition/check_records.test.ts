/** Records of buckets: what one says otherwise than the step, or than another group's record, is told. */
import { describe, expect, test } from 'vitest';
import { mlp } from '../../tests/scenarios/mlp.js';
import { pipelineUnder } from '../../tests/scenarios/pipelines.js';
import { buildScenario, type ScenarioOptions } from '../../tests/scenarios/scenario.js';
import { ops } from '../ops/index.js';
import { checkMeaning } from './check_meaning.js';
import { checkRecords } from './check_records.js';
import type { Bucket } from './buckets.js';

const sizes = { batch: 4, dim: 4, hidden: 4, update: 'adamw' as const };
const built = (options: ScenarioOptions) => {
  const { graphs, placed } = buildScenario({ split: { batch: ['data'] }, microbatches: 2, ...options });
  const said = (buckets: readonly Bucket[]) =>
    checkRecords(graphs.step, placed.step, ops, buckets).map(String).join('\n');
  return { ...placed, graph: graphs.step, said };
};
type Members = Bucket['members'];
const changed = (buckets: readonly Bucket[], k: number, change: (members: Members) => Members): readonly Bucket[] =>
  buckets.map((one, i) => (i === k ? { ...one, members: change(one.members) } : one));

describe.each([
  ['read as they are stored', { stage: 0 as const, axes: ['data'] }],
  ['gathered first', { stage: 3 as const, axes: ['data'] }],
])('buckets that are %s', (_, zero) => {
  const { buckets, said } = built({ ...mlp(sizes), mesh: { data: 2 }, zero });

  test('are as the records say', () => {
    expect(said(buckets)).toBe('');
    expect(buckets.every(({ members }) => members.length > 1)).toBe(true);
  });

  test('two members in another order', () => {
    buckets.forEach((_one, k) => {
      const turned = changed(buckets, k, ([first, second, ...rest]) => [second, first, ...rest]);
      expect(said(turned)).toContain(
        `the record of '${buckets[k].name}' on group 0 is not what the step has: the step`,
      );
    });
  });

  test('a member in other blocks, of another type, as padding, and in two buckets', () => {
    const split = (layout: Members[number]['layout'], name: string) => ({
      ...layout,
      splits: { [name]: { axes: ['data'] } },
    });
    const [one, other] = buckets;
    const [member] = one.members;
    const [factor] = member.type.dims[0];
    const as = (change: Partial<Members[number]>) =>
      said(changed(buckets, 0, ([first, ...rest]) => [{ ...first, ...change }, ...rest]));
    expect(as({ layout: split(member.layout, factor.name) })).toContain('partition/record-differs');
    expect(as({ type: { ...member.type, dtype: 'f32' } })).toContain(`'${member.name}' is f32[`);
    expect(as({ isPadding: true })).toContain(`'${member.name}' is a parameter, and counts as padding`);
    expect(as({ name: other.members[0].name })).toContain('lies in it twice, or in another one too');
  });
});

describe('a weight that two groups store', () => {
  const { buckets, graph, step, said } = built({
    ...mlp({ ...sizes, layers: 2, tied: true, segments: 'layers' }),
    pipeline: pipelineUnder('1f1b', [{ data: 2 }, { data: 2 }], ['layers.0', 'layers.1']),
    schedule: '1f1b',
    zero: { stage: 3, axes: ['data'] },
  });

  test('has one order on both', () => {
    expect(said(buckets)).toBe('');
    const padded = buckets.flatMap(({ group, members }, k) => (group === 1 && members.length > 1 ? [k] : []));
    expect(padded.length).toBeGreaterThan(0);
    for (const k of padded)
      expect(said(changed(buckets, k, (members) => [...members].reverse()))).toContain(
        'its elements have another order than those of group 0',
      );
  });

  test('a member of which the graph has no gradient makes a bucket of nothing', () => {
    const stray = changed(buckets, 0, ([first, ...rest]) => [{ ...first, name: 'of nobody' }, ...rest]);
    expect(checkMeaning(graph, step, ops, stray).map(({ code }) => code)).toContain('partition/other-value');
  });
});
