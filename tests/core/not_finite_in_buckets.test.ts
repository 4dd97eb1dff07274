/** A number that is not finite in a bucket is told by the names of the tensors that have it. */
import { describe, expect, test } from 'vitest';
import type { NonFinite } from '../../src/engine/engine.js';
import { testOfRanks } from '../../src/engine/native/testing/tests_by_device.js';
import { earliest } from '../../src/engine/non_finite.js';
import { encode } from '../../src/engine/host_array.js';
import { nameOfElements } from '../../src/engine/element_names.js';
import { hostValues, instanceName } from '../../src/engine/reference/execute.js';
import { ReferenceEngine, scatterValues } from '../../src/engine/reference/index.js';
import { placeRanks } from '../../src/engine/reference/virtual_rank.js';
import { coordinatesOf } from '../../src/ir/mesh.js';
import { elementsOf, namesOf } from '../../src/ir/type.js';
import { GPT } from '../../src/nn/models/index.js';
import { ops } from '../../src/ops/index.js';
import { heldBy } from '../../src/partition/packing.js';
import { inMixedPrecision } from '../laws/parallel_equals_serial.js';
import { languageModel } from '../scenarios/language_model.js';
import { firstNonFiniteNatively, nativeScenario } from '../scenarios/native_step.js';
import { buildScenario, type Scenario, type ScenarioOptions } from '../scenarios/scenario.js';

const model = new GPT({ layers: 1, dim: 6, heads: 2, hidden: 7, context: 3, vocab: 11 });
const options = (stage: 1 | 2 | 3, mesh: Readonly<Record<string, number>> = { data: 2 }): ScenarioOptions => ({
  ...languageModel(model, { batch: 4, sequence: 3 }),
  mesh,
  split: { batch: Object.keys(mesh).filter((axis) => axis !== 'tensor'), hidden: ['tensor'], vocab: ['tensor'] },
  zero: { stage, axes: [Object.keys(mesh).at(-1) === 'tensor' ? 'data' : Object.keys(mesh).at(-1)!] },
});

/** The last element of some tensors made NaN, wherever it lies. */
const poisoned = ({ inputs }: Scenario, names: readonly string[]): Scenario['inputs'] => ({
  ...inputs,
  ...Object.fromEntries(names.map((name) => [name, (inputs[name] as Float64Array).with(-1, NaN)])),
});

async function onReference({ program }: Scenario, inputs: Scenario['inputs']): Promise<NonFinite | null> {
  const loaded = await new ReferenceEngine({ registry: ops }).load(program);
  const blocks = scatterValues(program, inputs);
  for (const { rank, classIndex } of placeRanks(program)) {
    for (const { value, microbatch } of hostValues(program.classes[classIndex], program.microbatches)) {
      const block = blocks[rank].get(instanceName(value.name, microbatch));
      const place = { rank, name: value.name, ...(microbatch === null ? {} : { microbatch }) };
      if (block) await loaded.write(place, encode(value.type.dtype, block));
    }
  }
  return loaded.firstNonFinite();
}

const meshes: readonly Readonly<Record<string, number>>[] = [
  { data: 2 },
  { replica: 2, shard: 2 },
  { data: 2, tensor: 2 },
];

describe.each([1, 2, 3] as const)('stage %i', (stage) => {
  test.each(stage === 3 ? meshes : [meshes[stage]])('what was given, %o', async (mesh) => {
    for (const precision of ['full', 'mixed'] as const) {
      const full = options(stage, mesh);
      const scenario = buildScenario(precision === 'full' ? full : inMixedPrecision(full));
      const state = precision === 'full' ? ['optimizer.exp_avg.blocks.0.mlp.down.weight'] : [];
      for (const name of ['blocks.0.mlp.up.weight', 'blocks.0.norm1.weight', ...state]) {
        const found = await onReference(scenario, poisoned(scenario, [name]));
        expect(found, name).toMatchObject({ what: `NaN in '${name}', which was given to the step`, given: true });
      }
    }
  });

  test('each value that follows from a bucket tells its tensors, and whose elements are meant', () => {
    const { program } = buildScenario(options(stage, { data: 2, tensor: 2 }));
    let told = 0;
    for (const rankClass of program.classes) {
      const { mesh } = program.groups[rankClass.group];
      const [at] = rankClass.members;
      for (const [index, { name, global, layout, tensors, type, is }] of rankClass.values.entries()) {
        if (is.kind === 'buffer' || namesOf(global).join() !== 'elements') continue;
        const of = program.classes.flatMap((one) =>
          one.values.filter((value) => value.name === /bucket\.\d+/.exec(name)![0]),
        )[0].tensors!;
        expect(elementsOf(global)).toBe(of.reduce((n, tensor) => n + elementsOf(tensor.type), 0));
        const last = elementsOf(type) - 1;
        for (const element of new Set([0, last >> 1, last])) {
          const text = nameOfElements({ rankClass, mesh, at }, index, (from, to) => from <= element && element < to);
          const owner = heldBy(mesh, of, layout, at).find(
            ({ start, elements }) => start <= element && element < start + elements,
          );
          const own = tensors?.find((_, i) => of[i].name === owner?.name)?.name;
          expect(text).toBe(own ? `'${own}'` : owner ? `'${name}' (${owner.name})` : `'${name}'`);
          told++;
        }
      }
    }
    expect(told).toBeGreaterThan(100);
  });
});

testOfRanks(2)('what overflows where gradients are reduced, on real ranks', async () => {
  // In f64 all of it is finite; the gradients before the head, whose weight is the embedding's, are beyond f32.
  const full = options(2);
  const huge = nativeScenario({
    ...full,
    reduce: 'f32',
    element: (input, index, microbatch) =>
      input.name === 'embedding.weight' ? 1e60 * (1 + (index % 3)) : full.element!(input, index, microbatch),
  });
  const found = earliest((await firstNonFiniteNatively(huge)).filter((one) => one !== null));
  // Those of the last layer are reduced first.
  const what = expect.stringMatching(/^Infinity in 'gradient\.bucket\.0\b.*' \(norm\.weight, norm\.bias\)$/) as string;
  expect(found).toMatchObject({ given: false, what });
});

test('several tensors are told in one line, many by how many there are', () => {
  const { program } = buildScenario(options(3));
  const [rankClass] = program.classes;
  const place = { rankClass, mesh: program.groups[0].mesh, at: coordinatesOf(program.groups[0].mesh, 0) };
  const bucket = rankClass.values.findIndex(
    ({ tensors, layout }) => tensors && heldBy(place.mesh, tensors, layout, place.at).length > 4,
  );
  const { tensors, layout } = rankClass.values[bucket];
  const names = heldBy(place.mesh, tensors!, layout, place.at).map(({ name }) => name);
  const [first, second, third] = names;
  const two = (from: number) => from < heldBy(place.mesh, tensors!, layout, place.at)[2].start;
  expect(nameOfElements(place, bucket, two)).toBe(`'${first}', '${second}'`);
  expect(nameOfElements(place, bucket, () => true)).toBe(
    `'${first}', '${second}', '${third}' and ${names.length - 3} more`,
  );
});
