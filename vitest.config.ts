import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // From here, wherever the root of a run is.
    globalSetup: resolve(import.meta.dirname, 'test/support/compileCache.ts'),
    pool: 'forks',
    maxWorkers: 2,
    maxConcurrency: 2,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
