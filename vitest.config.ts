import LongestFirst from './tests/setup/order.js';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'tests/**/*.test.ts'],
    globalSetup: ['tests/setup/build.ts'],
    setupFiles: ['tests/setup/properties.ts', 'tests/setup/state.ts'],
    env: {
      // Threads of ranks that outnumber the cores sleep while they wait for each other.
      OMP_WAIT_POLICY: 'passive',
      // Torch asks for the name of whoever connects, 127.0.0.1 too, and goes on without: a lost answer is not waited for twice five seconds.
      RES_OPTIONS: 'timeout:1 attempts:1',
    },
    sequence: { sequencer: LongestFirst },
    pool: 'forks',
    // Graphs and programs are many objects that are soon gone: with room for them a tenth less time goes into collecting them.
    execArgv: ['--max-semi-space-size=32'],
    // Modules have no state of their own: a worker loads the library once, and not anew for each of two hundred files.
    isolate: false,
    maxWorkers: 2,
    // A search with RUNS takes as long as it is told to.
    testTimeout: process.env.RUNS ? 0 : 120_000,
    hookTimeout: 120_000,
    // On another device than the CPU the list of tests is the record: what ran there, what was skipped and why.
    reporters: /^cuda/.test(process.env.FLOTILLA_TEST_DEVICE ?? '') ? ['verbose'] : ['default'],
  },
});
