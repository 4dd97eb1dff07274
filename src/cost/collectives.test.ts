import { describe, expect, test } from 'vitest';
import { alphaBeta, latencySteps, wireBytes, type Communication } from './index.js';

const call = (kind: Communication['kind'], ranks: number, inputBytes: number, outputBytes: number): Communication => ({
  kind,
  axes: ['tensor'],
  ranks,
  inputBytes,
  outputBytes,
  receivedBytes: outputBytes - outputBytes / ranks,
});

describe('the α-β price', () => {
  test('an all-reduce sends what a reduce-scatter and an all-gather send together', () => {
    const scatter = wireBytes(call('reduce_scatter', 8, 8000, 1000));
    const gather = wireBytes(call('all_gather', 8, 1000, 8000));
    expect(scatter).toBe(7000);
    expect(wireBytes(call('all_reduce', 8, 8000, 8000))).toBe(scatter + gather);
  });

  test('one collective over two axes waits no longer than one over each', () => {
    for (const [a, b] of [
      [2, 2],
      [3, 3],
      [4, 5],
      [7, 9],
    ]) {
      const joint = latencySteps(call('all_reduce', a * b, 1, 1));
      expect(joint).toBeLessThanOrEqual(
        latencySteps(call('all_reduce', a, 1, 1)) + latencySteps(call('all_reduce', b, 1, 1)),
      );
    }
  });

  test('is launch, latency and bandwidth; over several axes that of the slowest', () => {
    const link = { latencySeconds: 1e-6, bytesPerSecond: 1e9 };
    const slow = { latencySeconds: 1e-5, bytesPerSecond: 1e8 };
    const cost = alphaBeta({ ...link, launchSeconds: 2e-6, copyBytesPerSecond: 1e10, axes: { data: slow } });
    expect(cost(call('all_gather', 4, 1000, 4000))).toBeCloseTo(2e-6 + 2e-6 + 3000 / 1e9, 12);
    expect(cost({ ...call('all_gather', 4, 1000, 4000), axes: ['tensor', 'data'] })).toBeCloseTo(
      2e-6 + 2e-5 + 3000 / 1e8,
      12,
    );
    expect(cost(call('copy', 1, 1000, 1000))).toBeCloseTo(2e-8 + 1e-7, 12);
  });
});
