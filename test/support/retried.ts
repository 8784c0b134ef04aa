// Prints which tests passed only when they were run again: the default reporter shows them as if nothing had been.

import type { Reporter, TestCase } from 'vitest/node';

export class Retried implements Reporter {
  readonly #tests: TestCase[] = [];

  onTestCaseResult(test: TestCase): void {
    if ((test.diagnostic()?.retryCount ?? 0) > 0) this.#tests.push(test);
  }

  onTestRunEnd(): void {
    for (const test of this.#tests.splice(0)) {
      const first = test.result().errors?.[0]?.message ?? 'no reason given';
      process.stdout.write(`\nretried: ${test.module.relativeModuleId} > ${test.fullName}\n  at first: ${first}\n`);
    }
  }
}
