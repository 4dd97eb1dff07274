import { expect, test } from 'vitest';
import { deviceOfRank, missingGpus, parseTestDevice } from './device.js';

test('FLOTILLA_TEST_DEVICE names a device, or is refused with the choices', () => {
  expect([undefined, '', 'cpu', 'cuda', 'cuda:0', 'cuda:3'].map(parseTestDevice)).toEqual([
    'cpu',
    'cpu',
    'cpu',
    'cuda:0',
    'cuda:0',
    'cuda:3',
  ]);
  for (const wrong of ['gpu', 'cuda:', 'cuda:x', 'CUDA', ' cpu'])
    expect(() => parseTestDevice(wrong)).toThrow(
      `FLOTILLA_TEST_DEVICE is '${wrong}': it must be cpu (as where it is not set), cuda, or cuda:N for GPU N`,
    );
});

test('each rank has a GPU of its own, and tests for which there are too few say so', () => {
  expect([0, 1].map((rank) => deviceOfRank(rank, 'cpu'))).toEqual(['cpu', 'cpu']);
  expect([0, 1].map((rank) => deviceOfRank(rank, 'cuda:2'))).toEqual(['cuda:2', 'cuda:3']);
  expect(missingGpus(4, 'cpu', 0)).toBeNull();
  expect(missingGpus(1, 'cuda:0', 0)).toBeNull();
  expect(missingGpus(2, 'cuda:0', 2)).toBeNull();
  expect(missingGpus(2, 'cuda:1', 2)).toBe('needs 2 GPUs from cuda:1 on, and torch sees 2');
});
