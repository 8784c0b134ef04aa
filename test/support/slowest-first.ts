// The order of the test files: those that take longest first, so that none of them is alone at the end while the other cores
// have nothing to do. Vitest does so by itself where it remembers the last run; a fresh checkout remembers nothing.

import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Seconds on two cores, roughly; what is not here takes less than any of them. */
const SLOW_S: Readonly<Record<string, number>> = {
  'test/faults/faults.test.ts': 90,
  'test/e2e/hot-restart.test.ts': 60,
  'test/e2e/discovery-register.test.ts': 50,
  'test/e2e/discovery-sources.test.ts': 50,
  'test/e2e/dns.test.ts': 40,
  'test/e2e/faults-endpoint.test.ts': 35,
  'test/e2e/grpc-endpoints.test.ts': 35,
  'test/e2e/long-waits.test.ts': 35,
  'test/e2e/worker-deaths.test.ts': 35,
  'test/e2e/cli.test.ts': 30,
  'test/e2e/decisions.test.ts': 30,
  'test/e2e/drain.test.ts': 30,
  'test/e2e/grpc-deadlines.test.ts': 30,
  'test/e2e/h2-floods.test.ts': 25,
  'test/e2e/cluster.test.ts': 25,
  'test/control/fleet/cohorts.test.ts': 20,
  'test/e2e/overlay-hops.test.ts': 20,
  'test/deploy/image.test.ts': 20,
  'test/docs/commands.test.ts': 20,
  'test/e2e/console.test.ts': 20,
  'test/e2e/residency.test.ts': 20,
  'test/e2e/slow-clients.test.ts': 20,
  'test/e2e/access-log.test.ts': 15,
  'test/e2e/prometheus.test.ts': 15,
  'test/e2e/cli-terminal.test.ts': 12,
  'test/e2e/console-views.test.ts': 12,
  'test/deploy/units.test.ts': 10,
  'test/e2e/evacuation.test.ts': 10,
  'test/e2e/tracing-edges.test.ts': 10,
  'test/e2e/tracing.test.ts': 10,
};

export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const root = `${this.ctx.config.root}/`;
    const secondsOf = ({ moduleId }: TestSpecification): number => SLOW_S[moduleId.replace(root, '')] ?? 0;
    return (await super.sort(files)).sort((a, b) => secondsOf(b) - secondsOf(a));
  }
}
