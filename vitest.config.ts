import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/tools.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Two cores, and the end-to-end tests start processes with workers of their own.
    maxWorkers: 2,
    pool: 'forks',
  },
});
