// When a way over another edge is taken, stands by or is out of the question: the real fleet, table and selector, driven by hand
// and without a socket.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/control/config/load.ts';
import { createEventLog } from '../../../src/control/events.ts';
import { Fleet } from '../../../src/control/fleet.ts';
import { Registry } from '../../../src/control/registry.ts';
import type { CandidateView, ProbeResult } from '../../../src/control/types.ts';
import { Selector, seeded } from '../../../src/core/selector.ts';
import { MAX_SLOTS, NONE, type Snapshot } from '../../../src/core/snapshot.ts';

const dir = mkdtempSync(join(tmpdir(), 'fermat-overlay-'));
afterAll(() => rmSync(dir, { recursive: true }));

const GOOD: ProbeResult = {
  ok: true,
  atMs: 0,
  dnsMs: null,
  connectMs: null,
  tlsMs: null,
  firstByteMs: null,
  warm: true,
  status: null,
  error: null,
  failure: null,
  stalled: false,
};

type Way = { readonly ms: number } | { readonly failure: 'connect' | 'status' };

/** A refused connection, or a 503. */
function failedBy(failure: 'connect' | 'status'): Partial<ProbeResult> {
  return { ok: false, failure, status: failure === 'status' ? 503 : null };
}

/** Two endpoints, `a` and `b`, and two peers, n1 and n2. */
class Node {
  readonly snapshot: Snapshot;
  readonly fleet: Fleet;
  readonly row: number;
  readonly #selector: Selector;
  nowMs = 0;

  constructor(mode: 'failover' | 'fastest', pool: object = {}, peer: object = {}) {
    const peers = ['n1', 'n2'].map((id, i) => ({ id, url: `http://10.9.0.${i}:1`, ...peer }));
    const endpoints = ['a', 'b'].map((id, i) => ({ id, url: `http://10.1.0.${i}:80` }));
    const file = join(dir, 'fermat.json');
    const config = {
      node: { id: 'me' },
      listeners: [{ address: ':8080' }],
      pools: { main: { endpoints, ...pool } },
      routes: [{ pool: 'main', overlay: mode }],
      overlay: { address: ':7443', secret: 'sixteen characters', peers },
    };
    writeFileSync(file, JSON.stringify(config));
    const loaded = loadConfig(file);
    if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
    const { snapshot, probes } = new Registry({ lanes: 1 }).compile(loaded.config);
    this.snapshot = snapshot;
    this.row = snapshot.routes[0]!.row;
    const nothing = () => {};
    this.fleet = new Fleet({
      clock: () => this.nowMs,
      random: seeded(1),
      events: createEventLog({ level: 'silent' }),
      lanes: () => [],
      counters: { stateChanged: nothing, probed: nothing, switched: nothing, locationLie: nothing },
      edge: () => null,
    });
    this.fleet.install(snapshot, probes);
    this.#selector = new Selector(snapshot);
  }

  /** Every way is measured like this once a second, for `seconds`. */
  live(ways: Readonly<Record<string, Way>>, seconds = 15): void {
    for (let s = 0; s < seconds; s++) {
      for (const [id, way] of Object.entries(ways)) this.#probe(id, way);
      for (let tick = 0; tick < 4; tick++) {
        this.nowMs += 250;
        this.fleet.tick(this.nowMs);
      }
    }
  }

  candidate(id: string): CandidateView {
    return this.fleet.candidates(this.row).candidates.find((candidate) => candidate.id === id)!;
  }

  /** Ids of `count` picks; `tried`: ids of those that a request has been to already. */
  picks(count: number, tried: readonly string[] = []): Set<string> {
    const ctx = {
      lane: 0,
      inflight: new Int32Array(MAX_SLOTS),
      nowMs: this.nowMs,
      random: () => 0.3,
      tried: Int32Array.from([...tried.map((id) => this.#endpoint(id).slot), ...new Array(8).fill(NONE)]),
      triedCount: tried.length,
      mayExplore: false,
    };
    const picked = new Set<string>();
    for (let i = 0; i < count; i++) {
      const slot = this.#selector.pick(this.row, ctx);
      picked.add(this.snapshot.endpoints.find((endpoint) => endpoint.slot === slot)?.id ?? 'none');
    }
    return picked;
  }

  #endpoint(id: string) {
    return this.snapshot.endpoints.find((endpoint) => endpoint.id === id)!;
  }

  #probe(id: string, way: Way): void {
    const { slot, generation } = this.#endpoint(id);
    const times = 'ms' in way ? { connectMs: way.ms, firstByteMs: way.ms + 1 } : failedBy(way.failure);
    this.fleet.probed(slot, generation, { ...GOOD, ...times, atMs: this.nowMs });
  }
}

const NEAR = { a: { ms: 40 }, b: { ms: 300 } } as const;
const RELAYS = { 'a via n1': { ms: 60 }, 'a via n2': { ms: 80 }, 'b via n1': { ms: 310 }, 'b via n2': { ms: 320 } };

describe('a way over another edge', () => {
  it('stands by while the direct path is as good, and is there for a retry', () => {
    const node = new Node('fastest');
    node.live({ ...NEAR, ...RELAYS });
    expect(node.candidate('a via n1').why).toBe('stands by: the direct path is as good');
    expect(node.picks(2000)).toEqual(new Set(['a']));
    expect(node.picks(100, ['a', 'b'])).toEqual(new Set(['a via n1']));
  });

  it('is taken when it is clearly faster, the best of them, and left when the direct path is good again', () => {
    const node = new Node('fastest');
    node.live({ ...NEAR, ...RELAYS });
    node.live({ ...NEAR, ...RELAYS, a: { ms: 190 } }, 5);
    expect(node.candidate('a via n1').why).toBe('taken: faster than the direct path');
    expect(node.picks(500)).toEqual(new Set(['a via n1']));
    node.live({ ...NEAR, ...RELAYS });
    expect(node.picks(500)).toEqual(new Set(['a']));
  });

  it('is not taken by a route that wants it for failover only, until the direct path is down', () => {
    const node = new Node('failover');
    node.live({ ...NEAR, ...RELAYS, a: { ms: 190 } });
    expect(node.candidate('a via n1').why).toBe('stands by: the direct path is up');
    expect(node.picks(500)).toEqual(new Set(['a']));
    node.live({ ...NEAR, ...RELAYS, a: { failure: 'connect' } });
    expect(node.candidate('a via n1').why).toBe('taken: the direct path is down');
    expect(node.picks(500)).toEqual(new Set(['a via n1']));
  });

  it('is no help against an endpoint that is sick itself, or that an operator has drained', () => {
    const node = new Node('fastest');
    node.live({ ...NEAR, ...RELAYS });
    node.live({ ...NEAR, ...RELAYS, a: { failure: 'status' } });
    expect(node.candidate('a via n1').why).toBe('the endpoint itself is not to be used');
    expect(node.picks(500)).toEqual(new Set(['b']));
    node.live({ ...NEAR, ...RELAYS });
    node.fleet.drain('a');
    expect(node.picks(500)).toEqual(new Set(['b']));
    expect(node.picks(50, ['b'])).toEqual(new Set(['b via n1']));
  });

  it('gives way to the one over another peer when its own is gone, and to none when all are', () => {
    const node = new Node('failover');
    const down = { ...NEAR, ...RELAYS, a: { failure: 'connect' } } as const;
    node.live(down);
    node.live({ ...down, 'a via n1': { failure: 'connect' } });
    expect(node.picks(500)).toEqual(new Set(['a via n2']));
    node.live({ ...down, 'a via n1': { failure: 'connect' }, 'a via n2': { failure: 'connect' } });
    expect(node.picks(500)).toEqual(new Set(['b']));
  });

  it('costs what its operator says', () => {
    const slow = { ...NEAR, ...RELAYS, a: { ms: 190 } } as const;
    const dear = new Node('fastest', {}, { costMs: 200 });
    dear.live(slow);
    expect(dear.candidate('a via n1').costMs).toBe(200);
    expect(dear.picks(500)).toEqual(new Set(['a']));
  });

  it('makes up for a path that is down whatever the policy, and is no candidate of theirs before', () => {
    const node = new Node('failover', { balance: { policy: 'round-robin' } });
    node.live({ ...NEAR, ...RELAYS });
    expect(node.picks(100)).toEqual(new Set(['a', 'b']));
    node.live({ ...NEAR, ...RELAYS, a: { failure: 'connect' } });
    expect(node.picks(100)).toEqual(new Set(['a via n1', 'b']));
  });

  it('counts for nothing where an endpoint would be the last that answers', () => {
    const node = new Node('fastest');
    node.live({ ...NEAR, ...RELAYS, a: { failure: 'status' }, b: { failure: 'status' } });
    expect(node.picks(20)).not.toContain('a via n1');
    expect(node.fleet.endpoints().filter(({ via }) => via !== undefined)).toHaveLength(4);
  });
});
