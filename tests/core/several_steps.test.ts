/** Under ZeRO, over several steps: padding stays zero, and a step whose update is left out is as if it had not been. */
import { describe, expect, test } from 'vitest';
import type { Observer } from '../../src/engine/reference/machine.js';
import { elementsOf } from '../../src/ir/type.js';
import { GPT, Llama } from '../../src/nn/models/index.js';
import { ops } from '../../src/ops/index.js';
import { adamw } from '../../src/optim/index.js';
import { heldBy } from '../../src/partition/packing.js';
import { applyPrecision } from '../../src/passes/precision.js';
import type { ZeroStage } from '../../src/plan/plan.js';
import { operandsOf } from '../../src/program/kinds.js';
import { languageModel } from '../scenarios/language_model.js';
import { differentBits, type ScenarioOptions } from '../scenarios/scenario.js';
import { Steps } from '../scenarios/steps.js';

// Every parameter decays, and padding would with them.
const usual = { lr: 0.1, weight_decay: 0.1, decay: 'all' } as const;
const models = {
  gpt: new GPT({ layers: 1, dim: 6, heads: 2, hidden: 7, context: 3, vocab: 11 }),
  tied: new Llama({ layers: 1, dim: 4, heads: 2, hidden: 7, context: 3, vocab: 11, tied: true }),
};
const meshes = { zero: { data: 3 }, hybrid: { replica: 2, shard: 2 }, tensor: { tensor: 2, data: 2 } } as const;

interface Case {
  readonly stage: ZeroStage;
  readonly mesh: keyof typeof meshes;
  readonly model?: keyof typeof models;
  readonly compute?: 'f32' | 'bf16';
  readonly eps?: number;
}

function stepsOf({ stage, mesh, model = 'gpt', compute = 'f32', eps }: Case): Steps {
  const optimizer = adamw({ ...usual, ...(eps !== undefined && { eps }) });
  const axes = Object.keys(meshes[mesh]);
  const { step, ...rest } = languageModel(models[model], { batch: 6, sequence: 3, dtype: 'f32' }, optimizer);
  const options: ScenarioOptions = {
    ...rest,
    step: compute === 'bf16' ? applyPrecision(step, ops, 'bf16', 'compute') : step,
    mesh: meshes[mesh],
    split: {
      batch: axes.filter((axis) => axis !== 'tensor'),
      heads: ['tensor'],
      hidden: ['tensor'],
      vocab: ['tensor'],
    },
    microbatches: 2,
    zero: { stage, axes: [axes.at(-1)!] },
    memory: { moves: 2, searchNodes: 0 },
  };
  return new Steps(options);
}

const cases: readonly Case[] = [
  ...([1, 2, 3] as const).flatMap((stage) => (['zero', 'hybrid'] as const).map((mesh): Case => ({ stage, mesh }))),
  ...([1, 3] as const).map((stage): Case => ({ stage, mesh: 'zero', compute: 'bf16' })),
  { stage: 2, mesh: 'hybrid', compute: 'bf16', model: 'tied' },
  { stage: 3, mesh: 'zero', model: 'tied' },
  { stage: 3, mesh: 'tensor' },
  // What nothing is added to, a root of zero among them, divides by zero.
  ...([1, 2, 3] as const).map((stage): Case => ({ stage, mesh: 'zero', eps: 0 })),
  ...(['hybrid', 'tensor'] as const).map((mesh): Case => ({ stage: 3, mesh, compute: 'bf16', eps: 0 })),
];

test.each(cases)('the padding of every bucket is zero after each step: %o', (one) => {
  const steps = stepsOf(one);
  const { groups } = steps.scenario.program;
  for (const step of [0, 1, 2]) {
    const before = steps.state();
    steps.run(step);
    const after = steps.state();
    expect(steps.results('skipped').every((skipped) => skipped === 0)).toBe(true);
    expect(differentBits(before, after)).not.toBeNull();
    let padding = 0;
    for (const rank of steps.ranks) {
      const { mesh } = groups[rank.group];
      for (const { name, tensors, layout, type } of rank.rankClass.values) {
        const block = after[`rank ${rank.rank} ${name}`];
        if (!tensors || !block) continue;
        const held = heldBy(mesh, tensors, layout, rank.at);
        const rest = [...block].filter(
          (_, i) => !held.some(({ start, elements }) => start <= i && i < start + elements),
        );
        expect(block).toHaveLength(elementsOf(type));
        expect([name, rest.every((x) => x === 0)]).toEqual([name, true]);
        padding += rest.length;
      }
    }
    expect(padding).toBeGreaterThan(0);
  }
});

describe('a gradient that is not finite on one rank alone', () => {
  const skipping: readonly Case[] = [
    ...([0, 1, 2, 3] as const).map((stage): Case => ({ stage, mesh: 'zero' })),
    ...([1, 2, 3] as const).map((stage): Case => ({ stage, mesh: 'hybrid', compute: 'bf16' })),
  ];

  test.each(skipping)('leaves all as it was, on every rank, and the next step too: %o', (one) => {
    const [steps, undisturbed] = [stepsOf(one), stepsOf(one)];
    steps.run(0);
    undisturbed.run(0);
    const before = steps.state();
    const last = steps.ranks.length - 1;
    for (const broken of [last, 0]) {
      steps.run(1, nanOn(broken));
      expect(steps.results('skipped')).toEqual(steps.ranks.map(() => 1));
      expect(differentBits(before, steps.state())).toBeNull();
    }
    steps.run(2);
    undisturbed.run(2);
    expect(steps.results('skipped')).toEqual(steps.ranks.map(() => 0));
    expect(differentBits(undisturbed.state(), steps.state())).toBeNull();
    expect(steps.results('loss_sum')).toEqual(undisturbed.results('loss_sum'));
  });
});

/** Makes the first element of a weight's gradient NaN on one rank, where the backward makes it. */
const nanOn =
  (broken: number): Observer =>
  (rank, { instruction, step }) => {
    const { source } = instruction;
    if (rank.rank !== broken || instruction.kind !== 'kernel') return;
    if (source.path !== 'blocks.0.mlp.up' || source.phase !== 'backward') return;
    for (const { value, access } of operandsOf(instruction)) {
      if (access === 'read') continue;
      const view = rank.view(value, step);
      rank.arena.write(view, rank.arena.read(view).with(0, NaN));
    }
  };
