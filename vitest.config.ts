import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';
import { Retried } from './test/support/retried.ts';
import { SlowestFirst } from './test/support/slowest-first.ts';

const E2E = 'test/e2e/**/*.test.ts';
/** A file for the results as JSON: .ci/run counts them. */
const RESULTS = process.env.TEST_RESULTS;

// Node keeps what it has compiled, for all the processes that the tests start: half of what a start of Fermat costs. A directory
// of the user's own choice wins.
process.env.NODE_COMPILE_CACHE ??= resolve(import.meta.dirname, 'node_modules/.cache/compiled');

export default defineConfig({
  test: {
    reporters: RESULTS === undefined ? ['default', new Retried()] : ['default', new Retried(), 'json'],
    ...(RESULTS !== undefined && { outputFile: { json: RESULTS } }),
    globalSetup: ['test/support/tools.ts'],
    // Two cores. The end-to-end tests start processes with workers of their own, but mostly wait for them.
    maxWorkers: 3,
    pool: 'forks',
    sequence: { sequencer: SlowestFirst },
    // Real processes, sockets and clocks on a machine that others use too: a test that fails once in a thousand runs would turn
    // every third run of the suite red. What passes only the second time is printed at the end, with how it failed at first: it
    // wants mending all the same.
    retry: 1,
    projects: [
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: [E2E],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: [E2E],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
