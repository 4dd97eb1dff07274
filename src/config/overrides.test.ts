import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyOverrides as apply } from './overrides.js';
import type { Override } from './overrides.js';

const applyOverrides = (options: Readonly<Record<string, unknown>>, overrides: readonly Override[]) =>
  apply(options, overrides, 'train.json').options;

const size = fc.constantFrom('data_parallel_size', 'tensor_parallel_size', 'pipeline_parallel_size', 'zero_stage');
const shuffled = (texts: readonly string[]) => fc.shuffledSubarray([...texts], { minLength: texts.length });

test('a plan file and a size beside it are refused, whichever of them is written where', () => {
  const asked = size.chain((name) =>
    fc.oneof(
      shuffled([`plan.${name}=1`, 'plan=file.json']).map((overrides) => ({ options: {}, overrides })),
      shuffled([`plan.${name}=1`, 'steps=3']).map((overrides) => ({ options: { plan: 'file.json' }, overrides })),
    ),
  );
  fc.assert(
    fc.property(asked, ({ options, overrides }) => {
      expect(() => applyOverrides(options, overrides)).toThrow(
        expect.objectContaining({
          code: 'config/option-conflict',
          message: expect.stringContaining('--set plan=auto'),
        }),
      );
    }),
  );
});

test('each way on that the refusal names is one', () => {
  const options = { plan: 'file.json' };
  const tensor = 'plan.tensor_parallel_size=2';
  for (const overrides of [
    ['plan=auto', tensor],
    [tensor, 'plan=auto'],
  ])
    expect(applyOverrides(options, overrides)).toEqual({ plan: { tensor_parallel_size: 2 } });
  expect(applyOverrides(options, ['plan=other.json'])).toEqual({ plan: 'other.json' });
  expect(applyOverrides(options, ['steps=3'])).toMatchObject(options);
});

test('a group that is set as a whole does not undo a field that is asked for beside it', () => {
  fc.assert(
    fc.property(shuffled(['optimizer={"lr":0.1,"eps":1e-6}', 'optimizer.lr=0.2']), (overrides) => {
      expect(applyOverrides({ optimizer: { beta1: 0.5 } }, overrides)).toEqual({ optimizer: { lr: 0.2, eps: 1e-6 } });
    }),
  );
  // Of one name the last.
  expect(applyOverrides({}, ['optimizer.lr=0.1', 'optimizer.lr=0.3'])).toEqual({ optimizer: { lr: 0.3 } });
});
