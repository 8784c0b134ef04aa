// One pick, by policy, with 4 and with 1,000 endpoints, over a table that the real fleet has ranked; and what it allocates.
// A decision may not get dearer with the number of endpoints, nor leave anything for the collector.
// Run: node --expose-gc bench/micro/selector.ts

import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import { Selector } from '../../src/core/selector.ts';
import { NONE, type PolicyName } from '../../src/core/snapshot.ts';
import { contextOf, origin, World } from '../../test/support/world.ts';

const PICKS = 200_000;
const ROUNDS = 15;
const POLICIES = ['fastest', 'least-request', 'random-two', 'round-robin', 'weighted', 'nearest'] as const;

interface SelectorFigure {
  readonly name: string;
  readonly nsPerOp: number;
  readonly note: string;
}

/** A fleet whose endpoints stand at 5…95 ms in groups, so that band, overflow and the rest are all populated. */
function selectorOf(policy: PolicyName, endpoints: number): Selector {
  const origins = Array.from({ length: endpoints }, (_, i) => origin(`e${i}`, 5 + (i % 10) * 10));
  const world = new World(origins, { pool: { policy }, seed: 1 });
  world.run(3000, 200);
  return new Selector(world.snapshot);
}

/** A round of picks, each settled some picks later, so that live counts differ as they do in life. */
function roundOf(selector: Selector, ctx: ReturnType<typeof contextOf>, live: Int32Array): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < PICKS; i++) {
    const slot = selector.pick(0, ctx);
    const at = i & 31;
    if (live[at] !== NONE) ctx.inflight[live[at]!]!--;
    live[at] = slot;
    ctx.inflight[slot]!++;
  }
  return Number(process.hrtime.bigint() - start) / PICKS;
}

export function bench(): SelectorFigure[] {
  const cases = POLICIES.flatMap((policy) =>
    [4, 1000].map((endpoints) => {
      const ctx = { ...contextOf(Math.random), mayExplore: true };
      const live = new Int32Array(32).fill(NONE);
      const name = `${policy}, ${endpoints} endpoints`;
      return { name, selector: selectorOf(policy, endpoints), ctx, live, ns: Infinity, bytes: Infinity };
    }),
  );
  for (let round = 0; round < ROUNDS; round++) {
    for (const c of cases) {
      globalThis.gc?.();
      const before = process.memoryUsage().heapUsed;
      c.ns = Math.min(c.ns, roundOf(c.selector, c.ctx, c.live));
      c.bytes = Math.min(c.bytes, Math.max(process.memoryUsage().heapUsed - before, 0) / PICKS);
    }
  }
  return cases.map((c) => ({
    name: c.name,
    nsPerOp: Math.round(c.ns * 10) / 10,
    note: `${c.bytes.toFixed(2)} bytes allocated per pick`,
  }));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}`);
  console.table(bench());
}
