// Lines of the access log: whatever bytes a client sends, and though the codec let them all pass, a line is one line that its
// readers understand, and it tells what was sent.

import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PROBLEM } from '../../../src/data/errors.ts';
import { ENDING } from '../../../src/data/settle.ts';
import { accessSpec, Desk, exchangeOf } from '../../support/access.ts';

/** What fluent-bit's parser `apache2` reads (its parsers.conf). */
const APACHE2 =
  /^([^ ]*) [^ ]* ([^ ]*) \[([^\]]*)\] "(\S+)(?: +((?:[^"]|\\.)*?)(?: +\S*)?)?" ([^ ]*) ([^ ]*)(?: "([^"]*)" "(.*)")?$/;

/** Any bytes, with those that break lines and quotes more often than chance has them. */
const bytes = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(10, 13, 34, 92, 0, 0xc3, 0xa9, 0xe2, 0x80, 0xa8)), {
    maxLength: 60,
  })
  .map((all) => Buffer.from(all).toString('latin1'));
const longBytes = fc.oneof(
  bytes,
  bytes.map((text) => text.repeat(400)),
);
const asked = fc.record({
  method: bytes,
  path: longBytes,
  host: bytes,
  requestId: bytes,
  fields: fc.tuple(longBytes, bytes, bytes, bytes).map(
    ([agent, referer, tenant, trace]) =>
      [
        ['User-Agent', agent],
        ['Referer', referer],
        ['X-Tenant', tenant],
        ['Traceparent', trace],
      ] as const,
  ),
});

function only(text: Buffer): string {
  expect(text.indexOf(10)).toBe(text.length - 1);
  expect(isUtf8(text)).toBe(true);
  return text.toString('utf8').slice(0, -1);
}

describe('json', () => {
  it('is one line of valid JSON in UTF-8 whatever bytes come, and tells them', () => {
    const desk = new Desk(accessSpec({ headers: ['x-tenant'] }));
    fc.assert(
      fc.property(asked, (request) => {
        desk.log.write(exchangeOf(request), 4.321);
        const line = JSON.parse(only(desk.taken())) as { userAgent: string; headers: Record<string, string> };
        for (const [told, sent] of [
          [line.userAgent, request.fields[0][1]],
          [line.headers['x-tenant'], request.fields[2][1]],
        ] as const) {
          const raw = Buffer.from(sent, 'latin1');
          if (sent.length <= 4096) expect(told).toBe(isUtf8(raw) ? raw.toString('utf8') : sent);
          else expect(told).toMatch(/\.\.\.$/);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('says the same of one request twice, though the second line is made of pieces', () => {
    const desk = new Desk(accessSpec());
    const ex = exchangeOf({ path: '/a?b=c', fields: [['User-Agent', 'me']] });
    desk.log.write(ex, 4.321);
    desk.log.write(ex, 4.321);
    const [a, b] = desk
      .taken()
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { time: string });
    expect({ ...a, time: '' }).toEqual({ ...b, time: '' });
  });

  it('tells of phases, attempts and who it was for', () => {
    const desk = new Desk(accessSpec());
    const tls = { version: 'TLSv1.3', sni: 'a.example' };
    const place = { country: 'DE', asn: 3320 };
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    desk.log.write(
      exchangeOf({
        path: '/a/b?c=d&token=x',
        fields: [['traceparent', traceparent]],
        books: { connectMs: 0.04, place, role: 1 },
        exchange: { attempts: 2, bodyBytes: 7 },
        peer: { tls },
      }),
      12.5,
    );
    expect(JSON.parse(only(desk.taken()))).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      requestId: 'id-1',
      client: '198.51.100.7',
      country: 'DE',
      asn: 3320,
      protocol: 'HTTP/1.1',
      scheme: 'https',
      method: 'GET',
      host: 'a.example',
      path: '/a/b',
      query: 'c=d&token=***',
      status: 200,
      outcome: 'answered',
      error: null,
      reason: null,
      bytesIn: 7,
      bytesOut: 1234,
      durationMs: 12.5,
      overheadMs: null,
      route: 'shop "é"',
      pool: 'shop',
      endpoint: 'fra-1',
      region: 'aws:eu-central-1',
      role: 'overflow',
      attempts: 2,
      retried: true,
      hedged: false,
      phases: { queueMs: 0.06, connectMs: 0.04, firstByteMs: 3.2, totalMs: 12.4 },
      userAgent: null,
      referer: null,
      traceId: '0af7651916cd43dd8448eb211c80319c',
      tls,
    });
  });

  it('says why it failed, and of what could not be read as much as is known', () => {
    const desk = new Desk(accessSpec());
    desk.log.write(
      exchangeOf({ status: 502, books: { ending: ENDING.REFUSED, problem: PROBLEM.connectRefused, firstByteMs: -1 } }),
      1,
    );
    expect(JSON.parse(only(desk.taken()))).toMatchObject({
      ...{ status: 502, outcome: 'refused', error: 'connection_refused', reason: 'connect_failed' },
      phases: { firstByteMs: null },
    });
    desk.log.write(exchangeOf({ status: 200, books: { ending: ENDING.CUT, problem: PROBLEM.reset } }), 1);
    expect(JSON.parse(only(desk.taken()))).toMatchObject({ outcome: 'cut', error: 'connection_terminated' });
    desk.log.write(exchangeOf({ status: 499, books: { ending: ENDING.CLIENT_GONE } }), 1);
    expect(JSON.parse(only(desk.taken()))).toMatchObject({ outcome: 'client_gone', error: null });
    desk.log.refuse(exchangeOf().down.peer, 408, PROBLEM.requestTimeout);
    expect(JSON.parse(only(desk.taken()))).toMatchObject({
      client: '198.51.100.7',
      method: null,
      status: 408,
      phases: null,
    });
    desk.log.refuse({ ...exchangeOf().down.peer, address: '' }, 408, PROBLEM.requestTimeout); // a UNIX socket
    expect(JSON.parse(only(desk.taken()))).toMatchObject({ client: null, requestId: null, outcome: 'refused' });
    desk.log.refuse(exchangeOf().down.peer, 499, null);
    expect(JSON.parse(only(desk.taken()))).toMatchObject({ status: 499, outcome: 'client_gone', reason: null });
  });

  it('names the client behind a trusted proxy, and the proxy', () => {
    const desk = new Desk(accessSpec());
    const trusted = { has: (address: string) => address.startsWith('10.') };
    const by = (client: string) =>
      exchangeOf({
        address: '10.0.0.1',
        fields: [['X-Forwarded-For', client]],
        peer: { isTrusted: true },
        exchange: { generation: { trusted } },
      });
    const ex = by('203.0.113.9');
    for (let i = 0; i < 2; i++) {
      desk.log.write(ex, 1);
      expect(JSON.parse(only(desk.taken()))).toMatchObject({ client: '203.0.113.9', peer: '10.0.0.1' });
    }
  });
});

describe('combined', () => {
  it('is one line of visible ASCII that log tools read, whatever bytes come', () => {
    const desk = new Desk(accessSpec({ format: 'combined' }));
    fc.assert(
      fc.property(asked, (request) => {
        desk.log.write(exchangeOf(request), 4.321);
        const line = only(desk.taken());
        expect(line).toMatch(/^[\x20-\x7e]*$/);
        expect(line).toMatch(/^198\.51\.100\.7 - - \[[^\]]+\] "[^"]*" 200 1234 "[^"]*" "[^"]*"$/);
      }),
      { numRuns: 500 },
    );
  });

  it('is read by fluent-bit as what was asked', () => {
    const desk = new Desk(accessSpec({ format: 'combined' }));
    const fields = [
      ['User-Agent', 'me "and" \\ you'],
      ['Referer', 'http://r/?token=abc&x=y'],
    ] as const;
    desk.log.write(exchangeOf({ path: '/a?api_key=abc', fields }), 1);
    const [, host, user, time, method, path, code, size, referer, agent] = APACHE2.exec(only(desk.taken()))!;
    expect([host, user, method, path, code, size]).toEqual([
      '198.51.100.7',
      '-',
      'GET',
      '/a?api_key=***',
      '200',
      '1234',
    ]);
    expect(time).toMatch(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/);
    expect([referer, agent]).toEqual(['http://r/?token=***&x=y', 'me \\x22and\\x22 \\x5C you']);
    desk.log.refuse({ ...exchangeOf().down.peer, address: '' }, 408, PROBLEM.requestTimeout);
    expect(only(desk.taken())).toMatch(/^- - - \[[^\]]+\] "-" 408 0 "-" "-"$/);
  });
});
