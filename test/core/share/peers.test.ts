// What others told becomes an opinion: near nodes first, the young before the old, and nothing of who has gone.

import { describe, expect, test } from 'vitest';
import { Changes } from '../../../src/core/share/changes.ts';
import type { Digest, SharedEndpoint } from '../../../src/core/share/digest.ts';
import {
  capacityShare,
  expectedPerMs,
  isConfirmed,
  leaned,
  noOpinion,
  sharedServerMs,
} from '../../../src/core/share/opinion.ts';
import { MAX_PEERS, Peers } from '../../../src/core/share/peers.ts';

const FRANKFURT = { latDeg: 50.11, lonDeg: 8.68 };
const PARIS = { latDeg: 48.86, lonDeg: 2.35 };
const VIRGINIA = { latDeg: 38.9, lonDeg: -77.4 };
const KEY = 7;

function endpoint(more: Partial<SharedEndpoint> = {}): SharedEndpoint {
  return {
    key: KEY,
    state: 'healthy',
    reason: null,
    ageMs: 0,
    networkMs: 20,
    serverMs: 6,
    baseMs: 5,
    offsetMs: 3,
    inflight: 4,
    perS: 50,
    errorRatio: 0,
    samples: 100,
    ...more,
  };
}

function digest(instance: number, endpoints: readonly SharedEndpoint[], more: Partial<Digest> = {}): Digest {
  return {
    instance: instance.toString(16).padStart(16, '0'),
    node: `n${instance}`,
    region: 'aws:eu-central-1',
    place: FRANKFURT,
    sequence: 1,
    intervalMs: 1000,
    isWhole: true,
    isComplete: true,
    endpoints,
    cohorts: [],
    ...more,
  };
}

const newPeers = () => new Peers({ instance: 'f'.repeat(16), region: 'aws:eu-central-1', place: FRANKFURT });

describe('an opinion', () => {
  test('of a node in our region is its own figures', () => {
    const peers = newPeers();
    expect(peers.hear(digest(1, [endpoint()]), 1000)).toBe('ok');
    const o = peers.opinionOf(KEY, VIRGINIA, 1000)!;
    expect(o).toMatchObject({
      nodes: 1,
      networkMs: 20,
      baseMs: 5,
      offsetMs: 3,
      waitMs: 0,
      inflight: 4,
      perS: 50,
      judging: 1,
      out: 0,
    });
    expect(o.networkWeight).toBeCloseTo(3, 5);
  });

  test('takes the network of a far node only as far as geography moves it, and hardly its server', () => {
    const peers = newPeers();
    peers.hear(digest(1, [endpoint({ networkMs: 5 })], { region: 'aws:us-east-1', place: VIRGINIA }), 0);
    const far = peers.opinionOf(KEY, VIRGINIA, 0)!;
    expect(far.networkMs).toBeGreaterThan(100);
    expect(far.networkWeight).toBeLessThan(0.01);
    expect(far.serverWeight).toBeLessThan(5);
    peers.hear(digest(2, [endpoint({ networkMs: 90, baseMs: 8 })]), 0);
    const near = peers.opinionOf(KEY, VIRGINIA, 0)!;
    expect(near.networkMs).toBeCloseTo(90, 0);
    expect(near.baseMs).toBeGreaterThan(7.5);
  });

  test('weighs by likeness: a node some hundred km away counts, less than one beside us', () => {
    const peers = newPeers();
    peers.hear(digest(1, [endpoint({ networkMs: 30 })], { region: 'aws:eu-west-3', place: PARIS }), 0);
    const { networkWeight, networkMs } = peers.opinionOf(KEY, PARIS, 0)!;
    expect(networkWeight).toBeGreaterThan(0.3);
    expect(networkWeight).toBeLessThan(1);
    expect(networkMs).toBeGreaterThan(30); // we are not in Paris
  });

  test('without places and regions says nothing of the network', () => {
    const peers = new Peers({ instance: 'f'.repeat(16), region: null, place: null });
    peers.hear(digest(1, [endpoint()], { region: null, place: null }), 0);
    expect(peers.opinionOf(KEY, null, 0)).toMatchObject({ networkWeight: 0, networkMs: Number.NaN, inflight: 4 });
  });

  test('load fades while nothing is heard, and stands while its node says that nothing changed', () => {
    const peers = newPeers();
    peers.hear(digest(1, [endpoint()]), 0);
    expect(peers.opinionOf(KEY, null, 1500)!.inflight).toBeCloseTo(2, 1);
    peers.hear(digest(1, [], { sequence: 2, isWhole: false }), 2000);
    expect(peers.opinionOf(KEY, null, 2000)!.inflight).toBeCloseTo(4, 5);
    peers.hear(digest(1, [], { sequence: 3, isWhole: false, isComplete: false }), 3500);
    expect(peers.opinionOf(KEY, null, 3500)!.inflight).toBeCloseTo(2, 1);
  });

  test('a message that was missed: silence says no more that nothing changed', () => {
    const peers = newPeers();
    peers.hear(digest(1, [endpoint()]), 0);
    peers.hear(digest(1, [], { sequence: 3, isWhole: false }), 1500);
    expect(peers.opinionOf(KEY, null, 1500)!.inflight).toBeCloseTo(2, 1);
    expect([...peers.all][0]!.wholeMs).toBe(-Infinity);
  });

  test('is gone three intervals after its node was last heard, and at once with endpoints that the node dropped', () => {
    const peers = newPeers();
    peers.hear(digest(1, [endpoint(), endpoint({ key: 8 })]), 0);
    peers.hear(digest(1, [endpoint()], { sequence: 2 }), 500);
    expect(peers.opinionOf(8, null, 500)).toBeNull();
    expect(peers.expire(3500)).toBe(0);
    expect(peers.expire(3501)).toBe(1);
    expect(peers.opinionOf(KEY, null, 3501)).toBeNull();
  });

  test('an old digest changes nothing, but fills in what is not known', () => {
    const peers = newPeers();
    peers.hear(digest(1, [endpoint({ inflight: 9 })], { sequence: 5, isWhole: false }), 1000);
    const stored = [endpoint({ inflight: 1 }), endpoint({ key: 8 })];
    expect(peers.hear(digest(1, stored, { sequence: 4 }), 1100, 500)).toBe('ok');
    expect(peers.opinionOf(KEY, null, 1100)!.inflight).toBeGreaterThan(8);
    expect(peers.opinionOf(8, null, 1100)!.nodes).toBe(1);
    expect(peers.hear(digest(1, stored, { sequence: 4 }), 1200, 600)).toBe('stale');
  });

  test('our own digest is not heard, nor more nodes than there can be', () => {
    const peers = newPeers();
    expect(peers.hear({ ...digest(1, [endpoint()]), instance: 'f'.repeat(16) }, 0)).toBe('ours');
    for (let i = 1; i <= MAX_PEERS; i++) peers.hear(digest(i, []), 0);
    expect(peers.hear(digest(MAX_PEERS + 1, []), 0)).toBe('full');
  });

  test('a queue is told from three times the unloaded level on, by whoever asks there: below, it may be nothing', () => {
    const peers = newPeers();
    peers.hear(digest(1, [endpoint({ serverMs: 14, baseMs: 5 })]), 0);
    expect(peers.opinionOf(KEY, null, 0)!.waitMs).toBe(0);
    peers.hear(digest(2, [endpoint({ serverMs: 55, baseMs: 5 })]), 0);
    expect(peers.opinionOf(KEY, null, 0)).toMatchObject({ waitMs: 20, waitPerS: 100 });
  });

  test('counts who has it out, and why the last of them did', () => {
    const peers = newPeers();
    peers.hear(digest(1, [endpoint({ state: 'ejected', reason: 'status' })]), 0);
    peers.hear(digest(2, [endpoint({ state: 'unhealthy' })]), 10);
    peers.hear(digest(3, [endpoint()]), 20);
    peers.hear(digest(4, [endpoint({ state: 'unknown' })]), 30);
    expect(peers.opinionOf(KEY, null, 30)).toMatchObject({ out: 2, judging: 3, reason: 'status' });
  });
});

describe('what becomes of it', () => {
  test('an ejection is confirmed by two failures of our own, by one when most have it out, never by none', () => {
    const o = (out: number, judging: number) => ({ ...noOpinion(), out, judging });
    expect(isConfirmed(0, o(9, 9))).toBe(false);
    expect(isConfirmed(1, o(1, 1))).toBe(false);
    expect(isConfirmed(1, o(2, 3))).toBe(true);
    expect(isConfirmed(1, o(2, 4))).toBe(false);
    expect(isConfirmed(2, o(1, 9))).toBe(true);
    expect(isConfirmed(9, o(0, 9))).toBe(false);
  });

  test('figures lean on others while our own are few', () => {
    expect(leaned(Number.NaN, 0, 30, 2)).toBe(30);
    expect(leaned(10, 2, 30, 2)).toBe(20);
    expect(leaned(10, 1000, 30, 2)).toBeCloseTo(10, 1);
    expect(leaned(10, 3, Number.NaN, 0)).toBe(10);
  });

  test('a capacity is shared by what each sends; an unknown one stays unknown', () => {
    expect(capacityShare(1000, 100, 300)).toBe(250);
    expect(capacityShare(1000, 100, 0)).toBe(1000);
    expect(capacityShare(0, 100, 300)).toBe(0);
    expect(capacityShare(1000, 0, 1e9)).toBe(10);
  });

  test('a node that has only just started expects up to twice the rate of the others, until it knows its own', () => {
    const others = { ...noOpinion(), nodes: 4, perS: 400 };
    expect(expectedPerMs(others, 0)).toBe(0.2);
    expect(expectedPerMs(others, 150)).toBe(0.1);
    expect(expectedPerMs(others, 300)).toBe(0);
    expect(expectedPerMs(null, 0)).toBe(0);
  });

  test('a queue that others feel stands in where we hardly ask ourselves, and says nothing where we do', () => {
    const queue = { ...noOpinion(), waitMs: 100, waitPerS: 50 };
    expect(sharedServerMs(10, 10, 0, queue)).toBe(110);
    expect(sharedServerMs(10, 10, 1, queue)).toBe(60);
    expect(sharedServerMs(10, 10, 200, queue)).toBeLessThan(11);
    expect(sharedServerMs(300, 10, 0, queue)).toBe(300);
    expect(sharedServerMs(10, 10, 0, noOpinion())).toBe(10);
  });
});

describe('what is told', () => {
  test('is what changed by more than its noise; everything at first', () => {
    const changes = new Changes();
    expect(changes.take([endpoint()], 10).endpoints).toHaveLength(1);
    expect(changes.take([endpoint({ inflight: 7, networkMs: 22, perS: 55 })], 10).endpoints).toHaveLength(0);
    expect(changes.take([endpoint({ inflight: 12 })], 10).endpoints).toHaveLength(1);
    expect(changes.take([endpoint({ inflight: 12, state: 'ejected' })], 10).endpoints).toHaveLength(1);
    expect(changes.take([endpoint({ inflight: 12, state: 'ejected' })], 10)).toEqual({
      endpoints: [],
      isComplete: true,
    });
  });

  test('is no more than there is room for: news first, then the most changed; the rest next time', () => {
    const changes = new Changes();
    const before = Array.from({ length: 10 }, (_, key) => endpoint({ key }));
    changes.takeAll(before);
    const now = before.map((e) => ({ ...e, inflight: e.inflight + 10 + e.key }));
    now[2] = { ...now[2]!, state: 'ejected' };
    const first = changes.take(now, 3);
    expect(first.endpoints.map(({ key }) => key)).toEqual([2, 9, 8]);
    expect(first.isComplete).toBe(false);
    expect(changes.take(now, 10)).toMatchObject({ isComplete: true, endpoints: { length: 7 } });
  });
});
