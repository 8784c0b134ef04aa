// One choice of where a client is redirected to, with 4, 100 and 1,000 endpoints all over the globe, over a table that the real
// fleet has ranked; and what it allocates. Every eligible endpoint is looked at, so it grows with their number.
// Run: node --expose-gc bench/micro/redirect.ts

import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import { findRegion, regionNames } from '../../geoip/regions.ts';
import { Redirector } from '../../src/core/redirect.ts';
import { contextOf } from '../../test/support/specs.ts';
import { origin, World } from '../../test/support/world.ts';

const CLIENTS = 256;
const CHOICES = 2048;
const ROUNDS = 25;

interface Figure {
  readonly name: string;
  readonly nsPerOp: number;
  readonly note: string;
}

function redirectorOf(endpoints: number): Redirector {
  const regions = regionNames().map((name) => findRegion(name)!);
  const origins = Array.from({ length: endpoints }, (_, i) => {
    const { name, latDeg, lonDeg } = regions[i % regions.length]!;
    return origin(`e${i}`, 5 + (i % 10), { region: name, location: { latDeg, lonDeg } });
  });
  const world = new World(origins, { seed: 1 });
  world.run(3000, 200);
  return new Redirector(world.snapshot);
}

/** Clients from pole to pole, each with an address of its own. */
const PLACES = Array.from({ length: CLIENTS }, (_, i) => ({ latDeg: (i * 37) % 90, lonDeg: ((i * 101) % 360) - 180 }));
const ADDRESSES = Array.from({ length: CLIENTS }, (_, i) => `${1 + (i % 200)}.${i % 251}.7.9`);

export function bench(): Figure[] {
  return [4, 100, 1000].map((endpoints) => {
    const redirector = redirectorOf(endpoints);
    const ctx = contextOf(() => 0);
    const choices = endpoints > 100 ? CHOICES / 8 : CHOICES;
    let ns = Infinity;
    let bytes = Infinity;
    let sum = 0;
    for (let round = 0; round < ROUNDS; round++) {
      globalThis.gc?.();
      const before = process.memoryUsage().heapUsed;
      const start = process.hrtime.bigint();
      for (let i = 0; i < choices; i++) {
        const client = i & (CLIENTS - 1);
        sum += redirector.choose(0, ctx, PLACES[client]!, ADDRESSES[client]!);
      }
      ns = Math.min(ns, Number(process.hrtime.bigint() - start) / choices);
      bytes = Math.min(bytes, Math.max(process.memoryUsage().heapUsed - before, 0) / choices);
    }
    if (!(sum > 0)) throw new Error(`expected choices, got a sum of ${sum}`);
    const note = `${bytes.toFixed(1)} bytes allocated per choice (the address is read by a regular expression)`;
    return { name: `${endpoints} endpoints`, nsPerOp: Math.round(ns), note };
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}`);
  console.table(bench());
}
