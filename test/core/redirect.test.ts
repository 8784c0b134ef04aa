// Where clients are sent: by their own place and not by this edge's, the same client to the same endpoint, no farther than
// what health, load and money are worth. The real fleet on a clock of its own ranks; the real table is read.

import { describe, expect, it } from 'vitest';
import { findRegion, regionNames } from '../../geoip/regions.ts';
import { Redirector } from '../../src/core/redirect.ts';
import { ROLE, seeded } from '../../src/core/selector.ts';
import type { LatLon, PoolSpec } from '../../src/core/snapshot.ts';
import { NONE } from '../../src/core/snapshot.ts';
import { contextOf } from '../support/specs.ts';
import { type Origin, origin, World, type WorldOptions } from '../support/world.ts';

const placeOf = (region: string): LatLon => {
  const { latDeg, lonDeg } = findRegion(region)!;
  return { latDeg, lonDeg };
};
const at = (region: string, answerMs = 10, more: Partial<Origin> = {}): Origin =>
  origin(region.slice(region.indexOf(':') + 1), answerMs, { region, location: placeOf(region), ...more });

const BERLIN: LatLon = { latDeg: 52.5, lonDeg: 13.4 };
const DENVER: LatLon = { latDeg: 39.7, lonDeg: -105 };
const FRANKFURT = 'aws:eu-central-1';
const VIRGINIA = 'aws:us-east-1';
const OREGON = 'aws:us-west-2';
const TOKYO = 'aws:ap-northeast-1';

interface Sent {
  readonly world: World;
  readonly redirector: Redirector;
  /** Id of where the client goes, or null. */
  to(place: LatLon | null, address?: string): string | null;
}

/** After some seconds of probes, and of traffic if `rps` is above 0. */
function sent(origins: readonly Origin[], options: WorldOptions = {}, rps = 0): Sent {
  const world = new World(origins, { ...options, pool: { slowStartMs: 0, ...options.pool } });
  world.run(5000, rps);
  const redirector = new Redirector(world.snapshot);
  const ctx = { ...contextOf(() => 0), lane: world.snapshot.lanes };
  return {
    world,
    redirector,
    to(place, address = '192.0.2.1') {
      const index = redirector.choose(0, ctx, place, address);
      return index === NONE ? null : world.snapshot.endpoints[index]!.id;
    },
  };
}

const addresses = (count: number): string[] => {
  const random = seeded(7);
  const octet = (): number => 1 + Math.floor(random() * 250);
  return Array.from({ length: count }, () => `${octet()}.${octet()}.${octet()}.${octet()}`);
};

describe('a client whose place is known', () => {
  it('is sent to the endpoint near to it, however far that is from this edge', () => {
    const { to } = sent([at(FRANKFURT), at(OREGON, 150), at(TOKYO, 220)], { edge: BERLIN }, 50);
    expect(to(BERLIN)).toBe('eu-central-1');
    expect(to(DENVER)).toBe('us-west-2');
    expect(to(placeOf(TOKYO))).toBe('ap-northeast-1');
  });

  it('goes farther when that is quicker: what a server takes counts as much as the way', () => {
    const slow = sent([at(FRANKFURT, 200), at(VIRGINIA, 5)], {}, 50);
    expect(slow.to(BERLIN)).toBe('us-east-1');
    expect(slow.to(placeOf('aws:me-south-1'))).toBe('us-east-1');
    expect(sent([at(FRANKFURT, 60), at(VIRGINIA, 5)], {}, 50).to(BERLIN)).toBe('eu-central-1');
  });

  it('goes by distance alone under the policy nearest', () => {
    const pool: Partial<PoolSpec> = { policy: 'nearest' };
    const { to } = sent([at(FRANKFURT, 400), at(VIRGINIA, 5)], { pool }, 50);
    expect(to(BERLIN)).toBe('eu-central-1');
    expect(to(DENVER)).toBe('us-east-1');
  });

  it('takes an endpoint of an unknown place for one that is far, but on this planet', () => {
    const { to, redirector } = sent([origin('somewhere', 10), at(TOKYO), at(FRANKFURT)]);
    expect(to(BERLIN)).toBe('eu-central-1');
    expect(to(placeOf('aws:sa-east-1'))).not.toBe('ap-northeast-1');
    expect([...redirector.kms].slice(0, redirector.count).filter(Number.isNaN)).toHaveLength(1);
  });

  it('is not sent to a place that was proved a lie', () => {
    // Answers to an edge in Berlin within a millisecond: that is not Oregon.
    const { to, world } = sent([at(OREGON, 1), at(VIRGINIA, 150)], { edge: BERLIN }, 50);
    expect(world.counted).toContain('lie:us-west-2');
    expect(to(DENVER)).toBe('us-east-1');
  });
});

describe('clients that could go to several', () => {
  const near = [at('aws:eu-central-1'), at('gcp:europe-west3'), at('azure:germanywestcentral'), at(TOKYO)];

  it('are shared among them, each finding the same one again', () => {
    const { to } = sent(near);
    const counts = new Map<string | null, number>();
    for (const address of addresses(3000)) {
      const id = to(BERLIN, address);
      expect(to(BERLIN, address)).toBe(id);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(['eu-central-1', 'europe-west3', 'germanywestcentral']);
    for (const count of counts.values()) expect(count / 3000).toBeCloseTo(1 / 3, 1);
  });

  it('are shared by weight', () => {
    const [heavy, light] = [at('aws:eu-central-1', 10, { weight: 3 }), at('gcp:europe-west3')];
    const { to } = sent([heavy, light]);
    const clients = addresses(4000);
    const share = clients.filter((address) => to(BERLIN, address) === 'eu-central-1').length / clients.length;
    expect(share).toBeCloseTo(0.75, 1);
  });

  it('stay where they are when another endpoint goes: only its own clients move', () => {
    const { to, world } = sent(near);
    const clients = addresses(1000);
    const before = clients.map((address) => to(BERLIN, address));
    world.fleet.drain('europe-west3');
    clients.forEach((address, i) => {
      const now = to(BERLIN, address);
      if (before[i] === 'europe-west3') expect(now).not.toBe('europe-west3');
      else expect(now).toBe(before[i]);
    });
  });

  it('are the same host by all addresses of an IPv6 /64, and others beyond it', () => {
    const { to } = sent(near);
    const host = new Set(['::1', '::2', ':aaaa:bbbb:cccc:dddd'].map((rest) => to(BERLIN, `2001:db8:1:2${rest}`)));
    expect(host.size).toBe(1);
    const others = new Set(Array.from({ length: 50 }, (_, i) => to(BERLIN, `2001:db8:1:${i.toString(16)}::1`)));
    expect(others.size).toBe(3);
  });

  it('agree on it from every edge: neither order nor slots of the configuration count', () => {
    const one = sent(near);
    const other = sent([...near].reverse());
    for (const address of addresses(200)) expect(other.to(BERLIN, address)).toBe(one.to(BERLIN, address));
  });
});

describe('an endpoint', () => {
  it('that is ill or drained gets nobody, and its clients again when it is back', () => {
    const origins = [at(FRANKFURT), at(VIRGINIA)];
    const { to, world } = sent(origins);
    origins[0]!.isUp = false;
    world.run(10_000);
    expect(to(BERLIN)).toBe('us-east-1');
    origins[0]!.isUp = true;
    world.run(10_000);
    expect(to(BERLIN)).toBe('eu-central-1');
    world.fleet.drain('eu-central-1');
    expect(to(BERLIN)).toBe('us-east-1');
  });

  it('that warms up takes a part of its clients, more as time goes by, and keeps those it has', () => {
    const origins = [at(FRANKFURT), at('gcp:europe-west3')];
    const { to, world } = sent(origins, { pool: { slowStartMs: 20_000 } });
    origins[0]!.isUp = false;
    world.run(30_000);
    origins[0]!.isUp = true;
    const clients = addresses(1000);
    const home = (): Set<string> => new Set(clients.filter((address) => to(BERLIN, address) === 'eu-central-1'));
    let before = new Set<string>();
    const sizes: number[] = [];
    for (let i = 0; i < 6; i++) {
      world.run(4500);
      const now = home();
      for (const address of before) expect(now).toContain(address);
      sizes.push(now.size);
      before = now;
    }
    expect(sizes[0]).toBeLessThan(300);
    expect(sizes.at(-1)! / clients.length).toBeCloseTo(0.5, 1);
  });

  it('that costs more is left when the difference is worth more than its nearness', () => {
    const origins = (): Origin[] => [
      at('aws:eu-west-2', 10, { egressUsdPerGb: 0.12, bytes: 100_000 }),
      at('aws:eu-west-1', 10, { egressUsdPerGb: 0.02, bytes: 100_000 }),
    ];
    const london: LatLon = { latDeg: 51.5, lonDeg: 0 };
    // The answers' size is known from what was forwarded: 10 USD per million requests between the two.
    expect(sent(origins(), { pool: { bandMs: 0, bandRatio: 0 } }, 50).to(london)).toBe('eu-west-2');
    const pool = { bandMs: 0, bandRatio: 0, millisPerUsdPerMillion: 2 };
    expect(sent(origins(), { pool }, 50).to(london)).toBe('eu-west-1');
  });
});

describe('when none is healthy', () => {
  it('nobody is sent to where nothing answers: a client that is gone is no trial', () => {
    const origins = [at(FRANKFURT), at(VIRGINIA)];
    const { to, world } = sent(origins);
    for (const o of origins) o.isUp = false;
    world.run(60_000);
    expect(to(BERLIN)).toBeNull();
  });

  it('clients are sent to those that answer at least, unless the pool says to fail', () => {
    for (const [whenAllDown, id] of [
      ['try', 'eu-central-1'],
      ['fail', null],
    ] as const) {
      const origins = [at(FRANKFURT), at(VIRGINIA)];
      const { to, world, redirector } = sent(origins, { pool: { whenAllDown } });
      for (const o of origins) o.probeStatus = 500;
      world.run(10_000);
      expect(to(BERLIN)).toBe(id);
      if (id !== null) expect(redirector.role).toBe(ROLE.PANIC);
    }
  });
});

it('leaves out those beyond reach without another choice than if it had looked at all of them', () => {
  const random = seeded(11);
  const regions = regionNames().filter((_, i) => i % 2 === 0);
  const origins = regions.map((name) => {
    const place = random() < 0.1 ? {} : { location: placeOf(name) };
    return origin(name, 5 + random() * 120, { region: name, weight: 1 + random(), ...place });
  });
  const { to, redirector, world } = sent(origins, { edge: BERLIN }, 100);
  for (let i = 0; i < 10; i++) world.fleet.drain(regions[i * 3]!);
  let looked = 0;
  for (const address of addresses(500)) {
    const place = { latDeg: random() * 170 - 85, lonDeg: random() * 360 - 180 };
    redirector.isThorough = false;
    const quick = to(place, address);
    looked += redirector.scores.subarray(0, redirector.count).filter(Number.isFinite).length;
    redirector.isThorough = true;
    expect(to(place, address)).toBe(quick);
  }
  expect(looked / 500).toBeLessThan(redirector.count * 0.75);
});

it('a client of an unknown place goes where this edge would go', () => {
  const { to } = sent([at(FRANKFURT, 120), at(VIRGINIA, 20)], {}, 50);
  expect(new Set(addresses(50).map((address) => to(null, address)))).toEqual(new Set(['us-east-1']));
});

it('writes nothing and draws nothing: asking does not change the answer of the next', () => {
  const { to, world } = sent([at(FRANKFURT), at('gcp:europe-west3')]);
  const before = new Uint8Array(world.snapshot.table.slice(0));
  for (const address of addresses(100)) to(BERLIN, address);
  expect(new Uint8Array(world.snapshot.table.slice(0))).toEqual(before);
});
