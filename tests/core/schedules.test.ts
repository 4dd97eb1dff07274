/** Every pipeline schedule: the step on virtual ranks leaves what one device leaves, tied embedding and all. */
import { describe, expect, test } from 'vitest';
import { GPT } from '../../src/nn/models/index.js';
import { pipelineOf } from '../../src/plan/plan.js';
import { scheduleKinds } from '../../src/schedule/kinds.js';
import { languageModel } from '../scenarios/language_model.js';
import { pipelineUnder } from '../scenarios/pipelines.js';
import { expectEqualsSerial } from './equals_serial.js';

const model = () => new GPT({ layers: 4, dim: 6, heads: 2, hidden: 5, context: 4, vocab: 7 });
const segments = ['embedding', 'blocks.0', 'blocks.1', 'blocks.2', 'blocks.3', 'head'];

test('two slots of one chunk and direction that are woven: the first writes what the other adds to', () => {
  expectEqualsSerial({
    ...languageModel(new GPT({ layers: 1, dim: 4, heads: 2, context: 2, vocab: 5 }), { batch: 2, sequence: 2 }),
    pipeline: pipelineOf([
      { segments: ['embedding'], mesh: {} },
      { segments: ['blocks.0', 'head'], mesh: { tensor: 2 } },
    ]),
    split: { heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] },
    schedule: 'table',
    table: ['0F1 0F0 0B0 0B1', '1F1 1F0 1B0+1B1 1W1 1W0'],
    microbatches: 2,
  });
});

test('dualpipe-v: two woven slots take turns at each launch of communication', () => {
  const { program } = expectEqualsSerial({
    ...languageModel(model(), { batch: 2, sequence: 3 }),
    pipeline: pipelineUnder('dualpipe-v', [{ tensor: 2 }, { tensor: 2 }], segments),
    split: { heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] },
    schedule: 'dualpipe-v',
    microbatches: 4,
  });
  for (const { schedule, templates } of program.classes) {
    const pieces = schedule.map(({ template }) => /^(\w+ \d).*piece/.exec(template)?.[1] ?? null);
    // A slot gives way to the other one oftener than if they ran one after the other.
    const changes = pieces.filter(
      (slot, i) => i > 0 && slot !== null && pieces[i - 1] !== null && slot !== pieces[i - 1],
    );
    expect(changes.length).toBeGreaterThanOrEqual(4);
    for (const { name, body } of templates.filter(({ name }) => name.includes('piece'))) {
      const launched = body.flatMap((one) => (one.kind === 'collective' || one.kind === 'send' ? [one.kind] : []));
      expect(launched.length, name).toBeLessThanOrEqual(1);
    }
  }
});

describe.each([...scheduleKinds.keys()])('%s', (kind) => {
  test('two groups of one rank', () => {
    const { program } = expectEqualsSerial({
      ...languageModel(model(), { batch: 2, sequence: 3 }),
      pipeline: pipelineUnder(kind, [{}, {}], segments),
      schedule: kind,
      microbatches: 4,
    });
    expect(program.classes.length).toBe(2);
  });

  test('groups of unlike meshes', () => {
    expectEqualsSerial({
      ...languageModel(model(), { batch: 2, sequence: 3 }),
      pipeline: pipelineUnder(kind, [{ data: 2 }, { tensor: 2 }], segments),
      split: { batch: ['data'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] },
      schedule: kind,
      microbatches: 5,
    });
  });
});
