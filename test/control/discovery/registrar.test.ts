// Registrations as they come over HTTP: who may, what counts once, when somebody's time is over.

import { describe, expect, test } from 'vitest';
import { Book } from '../../../src/control/discovery/book.ts';
import { type Desk, type Registration, take, takeShared } from '../../../src/control/discovery/registrar.ts';
import { RegistrySource } from '../../../src/control/discovery/registry.ts';
import { signatureOf } from '../../../src/control/discovery/signing.ts';
import { delay, until } from '../../support/until.ts';
import { REGISTRY, Remembering, specOf, tools } from './support.ts';

const TOKEN = '0123456789abcdef';
const WALL_MS = 1_795_000_000_000;

interface Counter {
  readonly desk: Desk;
  readonly sink: Remembering;
  /** Sends a message, `fields` of which are changed after it was signed. */
  say(
    action: 'register' | 'deregister',
    body: unknown,
    atMs?: number,
    fields?: Partial<Registration>,
  ): ReturnType<typeof take>;
}

function counter(): Counter {
  const sink = new Remembering();
  const book = new Book();
  const desk = { spec: specOf(REGISTRY), book, source: new RegistrySource(book, sink, tools) };
  return {
    desk,
    sink,
    say(action, told, atMs = WALL_MS, fields = {}) {
      const body = typeof told === 'string' ? told : JSON.stringify(told);
      const path = `/api/v1/${action}/shop`;
      const signature = signatureOf(TOKEN, { method: 'POST', path, atMs, body });
      const request = {
        action,
        pool: 'shop',
        method: 'POST',
        path,
        timestamp: String(atMs),
        signature,
        body,
        ...fields,
      };
      return take(request, (pool) => (pool === 'shop' ? desk : null), { nowMs: tools.clock(), wallMs: WALL_MS });
    },
  };
}

const URL_A = 'http://10.0.0.7:8080';

describe('a registration', () => {
  test('that is signed puts the endpoint into the pool', async () => {
    const { say, sink } = counter();
    expect(say('register', { url: URL_A, region: 'aws:eu-central-1', ttl: '30s' })).toEqual({
      pool: 'shop',
      url: URL_A,
      ttlMs: 30_000,
    });
    await until(() => sink.answers.length > 0, 'the answer');
    expect(sink.answers).toEqual([[{ at: URL_A, endpoint: { url: URL_A, region: 'aws:eu-central-1' } }]]);
  });

  test('may be signed with the other token while apps change over, and with no third one', () => {
    const { desk } = counter();
    const spec = specOf({ ...REGISTRY, otherToken: 'fedcba9876543210' } as typeof REGISTRY);
    const say = (token: string, atMs: number) => {
      const body = JSON.stringify({ url: URL_A });
      const path = '/api/v1/register/shop';
      const signature = signatureOf(token, { method: 'POST', path, atMs, body });
      const request = { method: 'POST', path, timestamp: String(atMs), signature, body };
      return take(request, () => ({ ...desk, spec }), { nowMs: 0, wallMs: WALL_MS });
    };
    expect(say(TOKEN, WALL_MS)).toMatchObject({ url: URL_A });
    expect(say('fedcba9876543210', WALL_MS + 1)).toMatchObject({ url: URL_A });
    expect(say('a third one of them', WALL_MS + 2)).toMatchObject({ status: 401 });
  });

  test('again with the same words tells nobody anything, with others it does', async () => {
    const { say, sink } = counter();
    say('register', { url: URL_A });
    await until(() => sink.answers.length > 0, 'the first answer');
    say('register', { url: URL_A }, WALL_MS + 1);
    await delay(100);
    expect(sink.answers).toHaveLength(1);
    say('register', { url: URL_A, weight: 2 }, WALL_MS + 2);
    await until(() => sink.answers.length > 1, 'the second answer');
  });

  test('of many at once is told once', async () => {
    const { say, sink } = counter();
    for (let i = 0; i < 100; i++) say('register', { url: `http://10.0.0.${i}:80` });
    await until(() => sink.answers.length > 0, 'the answer');
    expect(sink.urls).toHaveLength(100);
    expect(sink.answers).toHaveLength(1);
  });

  test.each<[string, Partial<Registration>]>([
    ['another path', { path: '/api/v1/register/other' }],
    ['another method', { method: 'PUT' }],
    ['another body', { body: JSON.stringify({ url: 'http://10.6.6.6:80' }) }],
    ['another time', { timestamp: String(WALL_MS + 1) }],
    ['no time', { timestamp: null }],
    ['a time that is no number', { timestamp: 'soon' }],
    ['another signature', { signature: `v1=${'0'.repeat(64)}` }],
    ['no signature', { signature: null }],
  ])('with %s than was signed is refused, and nothing changes', (_, fields) => {
    const { say, sink } = counter();
    expect(say('register', { url: URL_A }, WALL_MS, fields)).toMatchObject({ status: 401, code: 'unauthorized' });
    expect(sink.answers).toEqual([]);
  });

  test('goes on when the clock of the edge is set, but a message that was held back is not taken', () => {
    const { desk } = counter();
    const say = (atMs: number, nowMs: number, wallMs: number, url = URL_A) => {
      const body = JSON.stringify({ url });
      const path = '/api/v1/register/shop';
      const signature = signatureOf(TOKEN, { method: 'POST', path, atMs, body });
      const request = { method: 'POST', path, timestamp: String(atMs), signature, body };
      return take(request, () => desk, { nowMs, wallMs });
    };
    expect(say(WALL_MS, 1000, WALL_MS)).toMatchObject({ url: URL_A });
    [3_600_000, -3_600_000].forEach((byMs, i) => {
      const wallMs = WALL_MS + byMs;
      expect(say(WALL_MS + 3000 + i, 4000, wallMs)).toMatchObject({ url: URL_A });
      expect(say(WALL_MS + 3000, 4000, wallMs, 'http://10.0.0.8:80')).toMatchObject({ status: 401 });
      expect(say(WALL_MS + 5000, 70_000, wallMs)).toMatchObject({ status: 401, code: 'clock_skew' });
    });
    desk.book.leave(URL_A, WALL_MS + 9000, 5000);
    expect(say(WALL_MS + 9500, 5500, WALL_MS + 3_600_000)).toMatchObject({ status: 401 });
  });

  test('for a pool that takes none is refused in the same words as a wrong signature', () => {
    const { say } = counter();
    const wrong = say('register', { url: URL_A }, WALL_MS, { signature: 'v1=0' });
    const request = { method: 'POST', path: '/api/v1/register/x', timestamp: '1', signature: null, body: '' };
    const now = { nowMs: 0, wallMs: WALL_MS };
    expect(take(request, () => null, now)).toEqual(wrong);
  });

  test('sent twice counts once', () => {
    const { say } = counter();
    say('register', { url: URL_A });
    expect(say('register', { url: URL_A })).toMatchObject({ status: 409, code: 'replayed' });
    expect(say('register', { url: URL_A }, WALL_MS - 1)).toMatchObject({ status: 409 });
  });

  test('does not come back by an older message when it has left', async () => {
    const { say, desk, sink } = counter();
    say('register', { url: URL_A });
    say('deregister', { url: URL_A }, WALL_MS + 10);
    await until(() => sink.left.length > 0, 'the goodbye');
    expect(sink.left.at(-1)).toEqual(new Set([URL_A]));
    expect(say('register', { url: URL_A }, WALL_MS + 5)).toMatchObject({ status: 409 });
    expect(say('deregister', { url: URL_A }, WALL_MS + 10)).toMatchObject({ status: 409 });
    expect(desk.book.size).toBe(0);
    expect(say('register', { url: URL_A }, WALL_MS + 11)).toMatchObject({ url: URL_A });
  });

  test('is not even taken when the goodbye came first', () => {
    const { say, desk } = counter();
    expect(say('deregister', { url: URL_A }, WALL_MS + 10)).toMatchObject({ ttlMs: 0 });
    expect(say('register', { url: URL_A }, WALL_MS + 5)).toMatchObject({ status: 409 });
    expect(desk.book.size).toBe(0);
  });

  test.each([-61_000, 61_000])('that is %i ms from our clock is refused, and told so', (byMs) => {
    const words = byMs > 0 ? '61 s ahead of' : '61 s behind';
    expect(counter().say('register', { url: URL_A }, WALL_MS + byMs)).toMatchObject({
      status: 401,
      code: 'clock_skew',
      message: expect.stringContaining(words),
    });
  });

  test.each<[unknown, string]>([
    ['{', 'not JSON'],
    ['[]', 'not a JSON object'],
    [{ url: 'nonsense' }, 'url: not a URL'],
    [{ url: URL_A, ttl: '1ms' }, 'ttl'],
    [{ url: URL_A, ttl: '1h' }, 'ttl'],
    [{ url: URL_A, colour: 'red' }, 'unknown key'],
    [{ url: 'unix:/run/docker.sock' }, 'a socket of this machine'],
    [{ url: 'http://169.254.169.254' }, 'not taken unless the networks'],
    [{ url: 'http://[::ffff:169.254.169.254]:80' }, 'not taken unless the networks'],
    [{ url: 'http://[fd00:ec2::254]' }, 'not taken unless the networks'],
    [{ url: 'http://0.0.0.0:9901' }, 'not taken unless the networks'],
    [{ url: 'http://[::]:9901' }, 'not taken unless the networks'],
    [{ url: 'http://255.255.255.255' }, 'not taken unless the networks'],
  ])('%j is refused in words', (body, words) => {
    expect(counter().say('register', body)).toMatchObject({ status: 422, message: expect.stringContaining(words) });
  });

  test('beyond what a pool can take is refused, those who are there go on', () => {
    const { say } = counter();
    for (let i = 0; i < 1000; i++) say('register', { url: `http://10.0.${i >> 8}.${i & 255}:80` });
    expect(say('register', { url: 'http://10.9.9.9:80' })).toMatchObject({ status: 409, code: 'pool_full' });
    expect(say('register', { url: 'http://10.0.0.0:80' }, WALL_MS + 1)).toMatchObject({ ttlMs: 10_000 });
  });
});

describe('a time that runs out', () => {
  test('takes the endpoint away, and it may come back', async () => {
    const { say, desk, sink } = counter();
    say('register', { url: URL_A, ttl: '1s' });
    say('register', { url: 'http://10.0.0.8:80', ttl: '60s' });
    const startMs = performance.now();
    await until(() => sink.urls?.length === 1, 'the end of the first');
    expect(performance.now() - startMs).toBeGreaterThan(900);
    expect(sink.urls).toEqual(['http://10.0.0.8:80']);
    expect(say('register', { url: URL_A }, WALL_MS + 1)).toMatchObject({ url: URL_A });
    await desk.source.stop();
  });

  test('is longer by every message', () => {
    const book = new Book();
    book.register('a', {}, 1000, 1, 0);
    book.register('a', {}, 1000, 2, 900);
    expect(book.expire(1500)).toBe(false);
    expect(book.nextMs).toBe(1900);
    expect(book.expire(1900)).toBe(true);
    expect(book.nextMs).toBeNull();
  });

  test('is what is left of it in a process that takes over', () => {
    const [before, after] = [new Book(), new Book()];
    before.register('a', { url: 'a' }, 10_000, 5, 1000);
    before.leave('b', 6, 1000);
    after.recall(JSON.parse(JSON.stringify(before.memory(3000))), 50);
    after.recall('nonsense', 50);
    after.recall([null, { url: 7 }], 50);
    expect(after.entries()).toEqual([{ at: 'a', endpoint: { url: 'a' } }]);
    expect(after.nextMs).toBe(8050);
    expect(after.register('a', {}, 1000, 5, 60)).toBe('replayed');
    expect(after.register('b', {}, 1000, 6, 60)).toBe('replayed');
  });
});

describe('a message that another edge was sent', () => {
  const messageOf = (action: 'register' | 'deregister', body: unknown, atMs: number): Registration => {
    const path = `/api/v1/${action}/shop`;
    const text = JSON.stringify(body);
    const signature = signatureOf(TOKEN, { method: 'POST', path, atMs, body: text });
    return { method: 'POST', path, timestamp: String(atMs), signature, body: text };
  };
  const shared = (desk: Desk, message: Registration) =>
    takeShared(message, () => desk, { nowMs: 1000, wallMs: WALL_MS });

  test('is good for what is left of its TTL', () => {
    const { desk } = counter();
    expect(shared(desk, messageOf('register', { url: URL_A, ttl: '5m' }, WALL_MS - 200_000))).toMatchObject({
      ttlMs: 100_000,
    });
    expect(desk.book.nextMs).toBe(101_000);
    expect(shared(desk, messageOf('register', { url: URL_A, ttl: '10s' }, WALL_MS - 20_000))).toMatchObject({
      status: 401,
    });
  });

  test('of an edge whose clock is ahead is good for its TTL and no longer', () => {
    const { desk } = counter();
    expect(shared(desk, messageOf('register', { url: URL_A, ttl: '10s' }, WALL_MS + 30_000))).toMatchObject({
      ttlMs: 10_000,
    });
  });

  test('cannot bring back who has left, for as long as its TTL makes it good', () => {
    const { desk } = counter();
    const old = messageOf('register', { url: URL_A, ttl: '10m' }, WALL_MS);
    const at = (message: Registration, afterMs: number) =>
      takeShared(message, () => desk, { nowMs: 1000 + afterMs, wallMs: WALL_MS + afterMs });
    expect(at(old, 0)).toMatchObject({ ttlMs: 600_000 });
    expect(at(messageOf('deregister', { url: URL_A }, WALL_MS + 1000), 1000)).toMatchObject({ ttlMs: 0 });
    for (const afterMs of [60_000, 200_000, 599_000]) {
      desk.book.expire(1000 + afterMs);
      expect(at(old, afterMs)).toMatchObject({ status: 409, code: 'replayed' });
    }
  });

  test('counts once, whichever way it came, and not without its signature', () => {
    const { desk, say } = counter();
    say('register', { url: URL_A });
    expect(shared(desk, messageOf('register', { url: URL_A }, WALL_MS))).toMatchObject({ status: 409 });
    expect(shared(desk, messageOf('deregister', { url: URL_A }, WALL_MS + 1))).toMatchObject({ ttlMs: 0 });
    const forged = { ...messageOf('register', { url: URL_A }, WALL_MS + 2), path: '/api/v1/deregister/shop' };
    expect(shared(desk, forged)).toMatchObject({ status: 401, code: 'unauthorized' });
  });
});
