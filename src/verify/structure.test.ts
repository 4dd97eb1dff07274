/** Edges are looked at before any tile is derived from them: what cannot be one is told, and nothing fails over it. */
import { expect, test } from 'vitest';
import { replaceAt, sitesOf } from '../../bench/mutants/edit.js';
import { mlp } from '../../tests/scenarios/mlp.js';
import { pipelineUnder } from '../../tests/scenarios/pipelines.js';
import { buildScenario } from '../../tests/scenarios/scenario.js';
import { parseLayout } from '../ir/layout.js';
import { ops } from '../ops/index.js';
import type { GroupEdge, TileInstruction } from '../program/program.js';
import { verifyProgram } from './index.js';

const { program, placed } = buildScenario({
  ...mlp({ batch: 4, dim: 3, hidden: 4, layers: 2, segments: 'layers' }),
  pipeline: pipelineUnder('1f1b', [{ data: 2 }, {}], ['layers.0', 'layers.1']),
  split: { batch: ['data'] },
  microbatches: 2,
  schedule: '1f1b',
});

test.each<[string, (edge: GroupEdge) => Partial<GroupEdge>, string]>([
  ['an axis that one end lacks', () => ({ to: parseLayout('{batch:data}') }), "the mesh has no axis 'data'"],
  ['bounds that do not fit', () => ({ from: parseLayout('{batch:data[0,5,4]}') }), 'a layout of its ends is illegal'],
  ['a factor that it lacks', () => ({ from: parseLayout('{depth:data}') }), "the type has no factor 'depth'"],
  ['a part of a sum', () => ({ from: parseLayout('{| sum:data}') }), 'a partial value does not travel'],
  ['a group that there is not', () => ({ toGroup: 7 }), 'it goes from group 0 to group 7'],
  ['no way to here', ({ fromGroup, toGroup }) => ({ fromGroup: toGroup, toGroup: fromGroup }), 'it goes from group'],
])('an edge with %s', (_, change, says) => {
  const tiles = sitesOf(program, ({ kind }) => kind === 'pack_tile' || kind === 'unpack_tile');
  const [site] = tiles.filter(({ instruction }) => (instruction as TileInstruction).edge.fromGroup === 0);
  const tile = site.instruction as TileInstruction;
  const edge = { ...tile.edge, ...change(tile.edge) };
  const [fault] = verifyProgram(replaceAt(program, site, { ...tile, edge }), placed, ops);
  expect(fault?.code).toBe('program/wrong-tile');
  expect(fault.message).toContain(says);
});
