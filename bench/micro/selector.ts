// One pick, by policy, with 4 and with 1,000 endpoints, over a table that the real fleet has ranked; and what it allocates.
// A decision may not get dearer with the number of endpoints, nor leave anything for the collector. The caller is like
// data/attempt.ts: another moment for each pick, another key, counts that go up and down.
// Run: node --expose-gc bench/micro/selector.ts; `npm run bench:micro` fails when it takes longer or allocates.

import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import { hashText } from '../../src/core/policies/mix.ts';
import { Selector } from '../../src/core/selector.ts';
import { NONE, POLICIES, type PoolSpec } from '../../src/core/snapshot.ts';
import { contextOf } from '../../test/support/specs.ts';
import { origin, World } from '../../test/support/world.ts';

const PICKS = 100_000;
const ROUNDS = 15;
const KEYS = Int32Array.from({ length: 4096 }, (_, i) => hashText(`client-${i}`));
/** A decision may take so long. */
const LIMIT_NS = 1000;

interface SelectorFigure {
  readonly name: string;
  readonly nsPerOp: number;
  readonly note: string;
  readonly bytesPerOp: number;
  readonly limitNs: number;
}

/** A fleet whose endpoints stand at 5…95 ms in groups, so that band, overflow and the rest are all populated. */
function selectorOf(pool: Partial<PoolSpec>, endpoints: number): Selector {
  const origins = Array.from({ length: endpoints }, (_, i) => origin(`e${i}`, 5 + (i % 10) * 10));
  const world = new World(origins, { pool, seed: 1 });
  world.run(3000, 200);
  return new Selector(world.snapshot);
}

/** A round of picks, each settled some picks later, so that live counts differ as they do in life. */
function roundOf(selector: Selector, ctx: ReturnType<typeof contextOf>, live: Int32Array): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < PICKS; i++) {
    if ((i & 7) === 0) ctx.nowMs = 1_000_000 + i / 16;
    ctx.hash = KEYS[i & 4095]!;
    ctx.mayExplore = (i & 3) !== 0;
    const slot = selector.pick(0, ctx);
    const at = i & 31;
    if (live[at] !== NONE) ctx.inflight[live[at]!]!--;
    live[at] = slot;
    ctx.inflight[slot]!++;
  }
  return Number(process.hrtime.bigint() - start) / PICKS;
}

export function bench(): SelectorFigure[] {
  const sticky: Partial<PoolSpec> = { policy: 'fastest', hashOn: { kind: 'client' } };
  const pools = [
    ...POLICIES.map((policy) => ({ name: policy as string, pool: { policy } as Partial<PoolSpec> })),
    { name: 'fastest + hashOn', pool: sticky },
  ];
  const cases = pools.flatMap(({ name, pool }) =>
    [4, 100, 1000].map((endpoints) => {
      const ctx = { ...contextOf(Math.random), mayExplore: true, hash: 1 };
      const live = new Int32Array(32).fill(NONE);
      return {
        name: `${name}, ${endpoints}`,
        selector: selectorOf(pool, endpoints),
        ctx,
        live,
        ns: Infinity,
        bytes: 0,
      };
    }),
  );
  for (let round = 0; round < ROUNDS; round++) {
    for (const c of cases) {
      globalThis.gc?.();
      const before = process.memoryUsage().heapUsed;
      c.ns = Math.min(c.ns, roundOf(c.selector, c.ctx, c.live));
      const bytes = Math.max(process.memoryUsage().heapUsed - before, 0) / PICKS;
      // The second half of the rounds: by then everything is compiled. The least, since others allocate too.
      if (round === ROUNDS >> 1) c.bytes = bytes;
      if (round > ROUNDS >> 1) c.bytes = Math.min(c.bytes, bytes);
    }
  }
  return cases.map((c) => ({
    name: c.name,
    nsPerOp: Math.round(c.ns * 10) / 10,
    note: `${c.bytes.toFixed(2)} bytes allocated per pick`,
    bytesPerOp: c.bytes,
    limitNs: LIMIT_NS,
  }));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}`);
  console.table(bench().map(({ name, nsPerOp, note }) => ({ name, nsPerOp, note })));
}
