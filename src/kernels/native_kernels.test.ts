/** The kernel table by type of device: our own kernels' workspaces and conditions are the CPU's alone. */
import { expect, test } from 'vitest';
import { adamw } from '../optim/options.js';
import { GPT } from '../nn/models/index.js';
import { buildCase, cases, type FactorSizes } from '../ops/cases.js';
import { ops } from '../ops/index.js';
import { describeModel } from '../plan/describe_model.js';
import { planOfSizes } from '../plan/parallel_sizes.js';
import { compileTraining } from '../compile/compile.js';
import type { DeviceType } from './device.js';
import { nativeChoice } from './native.js';
import { contiguous } from './site.js';
import { nativeKernels } from './native_kernels.js';
import { instructionsOf } from '../program/unroll.js';
import { verifyProgram } from '../verify/index.js';

/** Sizes of a letter that no kernel of the CPU takes whole: an odd head, a long sum, a product of some rows. */
const sizes: FactorSizes = Object.fromEntries([...'abcdfghkrstuvw'].map((name) => [name, name === 'd' ? 7 : 5]));

test('on cuda no kernel takes workspace of the arena, and none is refused for its sizes', () => {
  const cuda = nativeKernels(ops, 'cuda');
  const cpu = nativeKernels(ops, 'cpu');
  let onCpu = 0;
  for (const op of cases.filter(({ op }) => cpu.has(op))) {
    const graph = buildCase(op, sizes, ops, 'f32').builder.build();
    for (const { op: name, rule, attributes, inputs, outputs } of graph.nodes) {
      const blocks = (ids: readonly number[]) => ids.map((id) => contiguous(graph.values[id].type));
      const accumulates = outputs.map(() => false);
      const shape = { op: name, rule, attributes, inputs: blocks(inputs), outputs: blocks(outputs), accumulates };
      const [needed, onCuda] = [cpu, cuda].map((kernels) => {
        const call = { ...shape, sameInputs: false };
        return kernels.scratchBytes(kernels.choose(call), call)!;
      });
      expect(cuda.has(name, rule), name).toBe(true);
      // Copies of operands lie in the arena on every device.
      const site = { ...shape, sameInputs: false, origins: {} };
      const copies = Math.max(...nativeChoice(ops, site, 'cuda').launches.map(({ stagedBytes }) => stagedBytes));
      expect(onCuda, name).toBe(copies);
      onCpu += needed;
    }
  }
  expect(onCpu).toBeGreaterThan(0);
});

test.each([12, 7, 320])(
  'a GPT with heads of %i compiles for cuda: without workspace, its attention fused',
  (headDim) => {
    const step = (target: DeviceType) => {
      const model = new GPT({ layers: 2, dim: 2 * headDim, heads: 2, context: 8, vocab: 11 });
      const batch = { sequences: 2, microbatch: 1 };
      const plan = planOfSizes({}, 1, describeModel(model), batch, { compute: 'bf16', master: 'f32' });
      const { program, placed } = compileTraining({
        model,
        plan,
        sequence: 8,
        registry: ops,
        target,
        optimizer: adamw({ lr: 1e-3 }),
      });
      expect(verifyProgram(program, placed, ops, nativeKernels(ops, target))).toEqual([]);
      const kernels = program.classes
        .flatMap(({ templates }) => templates)
        .flatMap((template) => instructionsOf(template))
        .filter((instruction) => instruction.kind === 'kernel');
      return {
        names: new Set(kernels.map(({ op }) => op)),
        workspaces: kernels.filter(({ scratch }) => scratch !== null).length,
      };
    };
    const [cpu, cuda] = [step('cpu'), step('cuda')];
    expect(cuda.workspaces).toBe(0);
    expect(cpu.workspaces).toBeGreaterThan(0);
    expect([...cuda.names]).toEqual(expect.arrayContaining(['attention', 'attention_backward']));
    expect(cpu.names.has('attention')).toBe(headDim === 12);
  },
);
