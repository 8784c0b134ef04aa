// The PROXY protocol at a listener, as the bytes of a balancer in front: whom it is believed of, and what its client then is.
// 127.0.0.1 is trusted, 127.0.0.2 is not. With real balancers in front and real servers behind: proxy-peers.test.ts.

import { describe, expect, it } from 'vitest';
import { simpleConfig } from '../support/fermat.ts';
import { type Answer, get, type RawClient, rawClient } from '../support/raw.ts';
import { useRig } from '../support/rig.ts';
import { until } from '../support/until.ts';

const STRANGER = '127.0.0.2';
/** Time-outs are taken off a coarse wheel, and the machine may be busy. */
const LATE_MS = 900;

const rig = useRig((origin) =>
  simpleConfig(
    [origin.url],
    {},
    {
      listeners: [
        { name: 'http', address: '127.0.0.1:0' },
        { name: 'required', address: '127.0.0.1:0', proxyProtocol: 'required' },
        { name: 'optional', address: '127.0.0.1:0', proxyProtocol: 'optional' },
        { name: 'six', address: '[::1]:0', proxyProtocol: 'required' },
      ],
      trustedProxies: ['127.0.0.1', '::1', '10.9.0.0/16'],
      limits: { headTimeout: '500ms', idleTimeout: '1200ms', connectionsPerClient: 3 },
      logging: { access: 'json' },
    },
  ),
);

const V1 = 'PROXY TCP4 203.0.113.9 198.51.100.7 56324 8443\r\n';
const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const V2 = Buffer.concat([SIGNATURE, Buffer.from('2111000ccb007109c6336407dc0420fb', 'hex')]);
const LOCAL = Buffer.concat([SIGNATURE, Buffer.from('20000000', 'hex')]);

async function listener(name: 'http' | 'required' | 'optional' | 'six', from?: string): Promise<RawClient> {
  return rawClient(rig.fermat.ports[name]!, from);
}

/** Sends `header` and a request, gives the answer and what X-Forwarded-For and -Port told the origin. */
async function told(name: 'required' | 'optional', header: Buffer | string, pieceBytes = Infinity): Promise<string[]> {
  using client = await listener(name);
  const before = typeof header === 'string' ? Buffer.from(header, 'latin1') : header;
  await client.send(Buffer.concat([before, Buffer.from(get('/told'))]), pieceBytes);
  expect((await client.answer()).status).toBe(200);
  const request = rig.origin.requests.at(-1)!;
  return [request.field('x-forwarded-for') ?? '', request.field('x-forwarded-port') ?? ''];
}

/** Sends bytes and wants the connection to be closed without an answer, and counted. */
async function refused(
  name: 'required' | 'optional',
  bytes: Buffer | string,
  code: number,
  from?: string,
): Promise<void> {
  const before = await rig.fermat.metric('fermat_requests_total', `code="${code}"`);
  using client = await listener(name, from);
  if (bytes.length > 0) await client.send(bytes);
  await client.closed();
  expect(client.received).toBe(0);
  await until(
    async () => (await rig.fermat.metric('fermat_requests_total', `code="${code}"`)) === before + 1,
    `a refusal counted as ${code}`,
  );
  expect(await rig.settled()).toEqual([]);
}

describe('a header of a trusted balancer', () => {
  it('tells who the client is and where it connected to, in version 1 and 2', async () => {
    expect(await told('required', V1)).toEqual(['203.0.113.9', '8443']);
    expect(await told('required', V2)).toEqual(['203.0.113.9', '8443']);
    expect(await told('optional', V1)).toEqual(['203.0.113.9', '8443']);
    expect(await told('optional', V2)).toEqual(['203.0.113.9', '8443']);
  });

  it('is read byte by byte as well, with the request right behind it', async () => {
    expect(await told('required', V1, 1)).toEqual(['203.0.113.9', '8443']);
    expect(await told('optional', V2, 1)).toEqual(['203.0.113.9', '8443']);
  });

  it('names an IPv4 client by its IPv4 address when it is written as IPv6', async () => {
    expect(await told('required', 'PROXY TCP6 ::ffff:203.0.113.9 2001:DB8::0:1 1 2\r\n')).toEqual(['203.0.113.9', '2']);
    expect(await told('required', 'PROXY TCP6 2001:DB8:0:0::9 ::1 1 2\r\n')).toEqual(['2001:db8::9', '2']);
  });

  it('leaves the address of the TCP peer when it is LOCAL or UNKNOWN', async () => {
    const port = String(rig.fermat.ports.required);
    expect(await told('required', LOCAL)).toEqual(['127.0.0.1', port]);
    expect(await told('required', 'PROXY UNKNOWN\r\n')).toEqual(['127.0.0.1', port]);
  });

  it('holds for every request of its connection, and stands in the access log', async () => {
    using client = await listener('required');
    await client.send(V1 + get('/first') + get('/second'));
    for (let i = 0; i < 2; i++) expect((await client.answer()).status).toBe(200);
    await client.send(get('/third'));
    expect((await client.answer()).status).toBe(200);
    expect(rig.origin.requests.map((request) => request.field('x-forwarded-for'))).toEqual(
      Array(3).fill('203.0.113.9'),
    );
    const lines = await until(() => {
      const found = rig.fermat.stdout.split('\n').filter((text) => /"\/(first|second|third)"/.test(text));
      return found.length === 3 ? found : null;
    }, 'three lines in the access log');
    for (const text of lines) expect(text).toContain('"203.0.113.9"');
  });

  it('may come with the first bytes of a large body', async () => {
    const body = 'x'.repeat(300_000);
    using client = await listener('required');
    await client.send(`${V1}POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    expect((await client.answer('POST')).status).toBe(200);
    expect(rig.origin.request.bodyBytes).toBe(body.length);
  });

  it('makes X-Forwarded-For believed only when the client it names is a proxy of ours', async () => {
    const request = get('/', 'X-Forwarded-For: 198.18.0.1\r\n');
    using stranger = await listener('required');
    await stranger.send(V1 + request);
    await stranger.answer();
    using proxy = await listener('required');
    await proxy.send(`PROXY TCP4 10.9.0.1 198.51.100.7 1 80\r\n${request}`);
    await proxy.answer();
    expect(rig.origin.requests.map((seen) => seen.field('x-forwarded-for'))).toEqual([
      '203.0.113.9',
      '198.18.0.1, 10.9.0.1',
    ]);
  });

  it('is believed over IPv6', async () => {
    const { connect } = await import('node:net');
    const socket = connect({ host: '::1', port: rig.fermat.ports.six!, allowHalfOpen: true });
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write(V1 + get('/'));
    await until(() => rig.origin.requests.length === 1, 'the request');
    expect(rig.origin.request.field('x-forwarded-for')).toBe('203.0.113.9');
    socket.destroy();
  });
});

describe('the limit of connections per client', () => {
  it('counts the clients that headers name, not the balancer', async () => {
    const clients: RawClient[] = [];
    const open = async (address: string): Promise<Answer | null> => {
      const client = await listener('required');
      clients.push(client);
      await client.send(`PROXY TCP4 ${address} 198.51.100.7 1 80\r\n${get('/')}`);
      return client.answer().catch(() => null);
    };
    try {
      for (let i = 0; i < 3; i++) expect((await open('203.0.113.50'))?.status).toBe(200);
      expect(await open('203.0.113.50')).toBeNull();
      for (let i = 0; i < 3; i++) expect((await open('203.0.113.51'))?.status).toBe(200);
      clients[0]!.destroy();
      await until(async () => (await open('203.0.113.50'))?.status === 200, 'room after one of them has gone');
    } finally {
      for (const client of clients) client.destroy();
    }
  });
});

describe('what is closed without an answer', () => {
  it.each([
    ['no header where one is required', get('/')],
    ['a header that breaks the grammar', `PROXY TCP4 203.0.113.9 198.51.100.7 56324 08443\r\n${get('/')}`],
    ['a header that ends in LF alone', `PROXY TCP4 203.0.113.9 198.51.100.7 56324 8443\n${get('/')}`],
    ['a header of a version that is not there', Buffer.concat([SIGNATURE, Buffer.from('31110000', 'hex')])],
    [
      'a header whose TLVs do not fit',
      Buffer.concat([V2.subarray(0, 15), Buffer.from([14]), V2.subarray(16), Buffer.alloc(2)]),
    ],
  ])('%s', async (_, bytes) => {
    await refused('required', bytes, 400);
  });

  it('a header that a stranger sends, where one may come', async () => {
    await refused('optional', V1 + get('/'), 403, STRANGER);
    await refused('optional', Buffer.concat([V2, Buffer.from(get('/'))]), 403, STRANGER);
  });

  it('a stranger where a header is required, before a byte is read', async () => {
    await refused('required', '', 403, STRANGER);
    await refused('required', V1 + get('/'), 403, STRANGER);
  });

  it('half a header that is not finished in time', async () => {
    const startMs = performance.now();
    await refused('required', V1.slice(0, 20), 408);
    expect(performance.now() - startMs).toBeGreaterThan(490);
    expect(performance.now() - startMs).toBeLessThan(500 + LATE_MS);
    await refused('optional', V2.subarray(0, 20), 408);
    await refused('required', '', 408);
  });

  it('half a header and the end of the stream', async () => {
    using client = await listener('required');
    await client.send(V1.slice(0, 20));
    client.halfClose();
    await client.closed();
    expect(client.received).toBe(0);
  });
});

describe('the event log', () => {
  it('tells of the first refusal in a minute, not of each', async () => {
    const told = (): unknown[] => rig.fermat.events.filter(({ type }) => type === 'listener.proxy');
    await until(() => told().length > 0, 'the event');
    for (let i = 0; i < 3; i++) await refused('required', V1, 403, STRANGER);
    expect(told()).toEqual([expect.objectContaining({ level: 'warn', listener: 'required', address: '127.0.0.1' })]);
  });
});

describe('a listener where a header may come', () => {
  it('serves a stranger and a balancer without one as any other listener', async () => {
    for (const from of [STRANGER, '127.0.0.1']) {
      using client = await listener('optional', from);
      await client.send(get('/'), 1);
      expect((await client.answer()).status).toBe(200);
      expect(rig.origin.requests.at(-1)!.field('x-forwarded-for')).toBe(from);
    }
  });

  it('takes a method that begins like a header for what it is', async () => {
    using client = await listener('optional');
    await client.send('PROXYING / HTTP/1.1\r\nHost: a\r\n\r\n', 1);
    expect((await client.answer()).status).toBe(200);
    expect(rig.origin.request.method).toBe('PROXYING');
  });

  it('gives a client that has said nothing yet the time of an idle connection', async () => {
    const startMs = performance.now();
    using client = await listener('optional');
    await client.closed();
    expect(performance.now() - startMs).toBeGreaterThan(1150);
    expect(performance.now() - startMs).toBeLessThan(1200 + LATE_MS);
  });
});

describe('a listener without the protocol', () => {
  it('takes a header for the bad request that it is', async () => {
    await rig.refused(V1 + get('/'), 400);
  });
});

describe('a balancer that only looks whether the port is open', () => {
  it('is no refusal', async () => {
    const before = await rig.fermat.metric('fermat_requests_total', 'code="400"');
    for (let i = 0; i < 3; i++) {
      using client = await listener('required');
      client.halfClose();
      await client.closed();
    }
    expect(await rig.fermat.metric('fermat_requests_total', 'code="400"')).toBe(before);
    await until(async () => (await rig.fermat.metric('fermat_connections')) === 0, 'no connection left in the books');
  });
});
