// Traces as a collector gets them from a running node, and what endpoints are told of them. `edge` traces everything; `shy` only
// what a trusted peer (127.0.0.2) asks for. The collector is a real one (test/support/otlp-receiver.ts), and so strict that a
// malformed span fails every test.

import { readFileSync } from 'node:fs';
import { connect, createServer, type Http2Server, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, poolOf, startFermat } from '../support/fermat.ts';
import { type Origin, type OriginRequest, startOrigin } from '../support/origin.ts';
import { type OtlpReceiver, type ReceivedSpan, startReceiver } from '../support/otlp-receiver.ts';
import { type Answer, rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const TRUSTED = '127.0.0.2';

let receiver: OtlpReceiver;
let a: Origin;
let b: Origin;
let h2: Http2Server;
const h2Seen: IncomingHttpHeaders[] = [];
let edge: Fermat;
let shy: Fermat;

beforeAll(async () => {
  [receiver, a, b] = [await startReceiver(), await startOrigin(), await startOrigin()];
  a.script = b.script = answer;
  h2 = createServer((request, response) => {
    h2Seen.push(request.headers);
    if (request.url === '/shop.Cart/Add') {
      response.setHeader('content-type', 'application/grpc');
      response.addTrailers({ 'grpc-status': '14' });
    }
    response.end('two');
  });
  await new Promise<void>((listening) => h2.listen(0, '127.0.0.1', listening));
  const h2Url = `h2c://127.0.0.1:${(h2.address() as AddressInfo).port}`;
  const both = [a.url, b.url];
  const turns = { balance: { policy: 'round-robin' } };
  const pools: Config = {
    main: poolOf([a.url], { retry: { attempts: 0 } }),
    again: poolOf(both, turns, 'again-'),
    late: poolOf(both, { ...turns, hedge: { enabled: true, quantile: 0.8, budgetPercent: 100 } }, 'late-'),
    two: poolOf([h2Url], {}, 'two-'),
    dead: poolOf(['http://127.0.0.1:1'], { retry: { attempts: 0 }, balance: { whenAllDown: 'fail' } }, 'dead-'),
  };
  const common: Config = {
    pools,
    routes: [
      ...Object.keys(pools).map((pool) => ({ name: pool, host: pool, pool })),
      { name: 'kept', host: 'kept', pool: 'main', requestHeaders: { remove: ['traceparent'] } },
      { name: 'told', host: 'told', respond: { status: 204 } },
    ],
    trustedProxies: [`${TRUSTED}/32`],
  };
  const otlp = receiver.url;
  [edge, shy] = await Promise.all([
    startFermat({
      ...common,
      node: { id: 'edge-1', region: 'aws:eu-central-1' },
      tracing: { otlp, sample: 1, resource: { 'deployment.environment.name': 'test' } },
    }),
    startFermat(
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the environment's
      { ...common, tracing: { otlp, sample: 0, headers: { authorization: '${TOKEN}' } } },
      { env: { TOKEN: 't0' } },
    ),
  ]);
});
afterAll(async () => {
  const faults = [...(a?.faults ?? []), ...(b?.faults ?? []), ...(receiver?.faults ?? [])];
  await Promise.all([edge?.stop(), shy?.stop()]);
  await Promise.all([a?.refuse(), b?.refuse(), receiver?.close()]);
  h2?.close();
  expect(faults).toEqual([]);
});

/** What the endpoints do, by path; a retry gets what the second of two gets. */
const seen = new Map<string, number>();
async function answer(request: OriginRequest): Promise<void> {
  const n = (seen.get(request.target) ?? 0) + 1;
  seen.set(request.target, n);
  if (request.target.startsWith('/fail-first') && n === 1) return request.answer(503, 'no');
  if (request.target.startsWith('/reset-first') && n === 1) return request.reset();
  if (request.target.startsWith('/hold-first') && n === 1) return;
  if (request.target.startsWith('/cut')) {
    request.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    return request.close();
  }
  await request.whole();
  request.answer();
}

const ask = (host: string, path: string, fields = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`;

async function asked(fermat: Fermat, text: string, from?: string): Promise<Answer> {
  using client = await rawClient(fermat.port, from);
  await client.send(text);
  return await client.answer();
}

/** What the endpoints were told, by path. */
const told = (path: string): OriginRequest[] =>
  [...a.requests, ...b.requests].filter(({ target }) => target.split('?')[0] === path).sort((x, y) => x.atMs - y.atMs);
const parentOf = (request: OriginRequest): string[] => request.all('traceparent');
const named = (span: ReceivedSpan): string => `00-${span.traceId}-${span.spanId}-01`;
const events = (span: ReceivedSpan): string[] => span.events.map(({ name }) => name);

// Side by side: each waits a second for its batch.
describe.concurrent('a traced request', () => {
  it('is a SERVER span with a CLIENT span in it, whom the endpoint was told of', async () => {
    await asked(edge, ask('main', '/plain?page=2&token=hush', 'User-Agent: probe/1\r\n'));
    const [server, client, ...more] = await receiver.traceOf('/plain');
    expect(more).toEqual([]);
    const [request] = told('/plain');
    expect(parentOf(request!)).toEqual([named(client!)]);
    expect(request!.field('tracestate')).toBeNull();
    expect(server).toMatchObject({ name: 'GET main', parentSpanId: '', isError: false });
    expect(server.attributes).toMatchObject({
      'http.request.method': 'GET',
      'url.scheme': 'http',
      'url.path': '/plain',
      'url.query': 'page=2&token=***',
      'server.address': 'main',
      'client.address': '127.0.0.1',
      'network.protocol.version': '1.1',
      'user_agent.original': 'probe/1',
      'http.route': 'main',
      'http.response.status_code': 200,
      'fermat.request_id': request!.field('x-request-id'),
      'fermat.pool': 'main',
      'fermat.endpoint': 'e0',
      'fermat.role': 'band',
      'fermat.attempts': 1,
    });
    expect(server.attributes['fermat.score_ms']).toBeGreaterThan(0);
    expect(server.resource).toMatchObject({
      'service.name': 'fermat',
      'service.instance.id': 'edge-1',
      'cloud.provider': 'aws',
      'cloud.region': 'eu-central-1',
      'deployment.environment.name': 'test',
    });
    expect(client!.attributes).toMatchObject({
      'url.full': `${a.url}/plain`,
      'server.address': '127.0.0.1',
      'server.port': a.port,
      'http.response.status_code': 200,
      'fermat.outcome': 'ok',
    });
    const phases = ['connect.start', 'connect.end', 'request.sent', 'response.first_byte', 'response.last_byte'];
    expect(events(client!)).toEqual(phases);
    expect(client!.startNs >= server.startNs && client!.endNs <= server.endNs).toBe(true);
    expect(Math.abs(Number(server.startNs / 1_000_000n) - Date.now())).toBeLessThan(60_000);
  });

  it.each([
    ['fails at one endpoint', '/fail-first', 503, '503', 'status_5xx'],
    ['is reset by one', '/reset-first', undefined, 'endpoint_reset', 'reset'],
  ])('that %s has a CLIENT span for each', async (_, path, status, error, outcome) => {
    expect((await asked(edge, ask('again', path))).status).toBe(200);
    const [server, first, second] = await receiver.traceOf(path);
    expect(server).toMatchObject({ isError: false });
    expect(server.attributes).toMatchObject({ 'fermat.attempts': 2, 'http.response.status_code': 200 });
    expect(first!.isError).toBe(true);
    expect(first!.attributes).toMatchObject({ 'error.type': error, 'fermat.outcome': outcome });
    expect(first!.attributes['http.response.status_code']).toBe(status);
    expect(second!.isError).toBe(false);
    expect(second!.attributes).toMatchObject({ 'http.request.resend_count': 1, 'fermat.outcome': 'ok' });
    expect(second!.attributes['fermat.endpoint']).toBe(server.attributes['fermat.endpoint']);
    expect(first!.attributes['fermat.endpoint']).not.toBe(second!.attributes['fermat.endpoint']);
    expect(told(path).flatMap(parentOf)).toEqual([named(first!), named(second!)]);
  });

  it('that was hedged has a CLIENT span for the one that was outrun', async () => {
    for (let n = 0; n < 30; n++) await asked(edge, ask('late', '/warm'));
    await until(async () => {
      const endpoints = await edge.json<{ id: string; requests: number }[]>('/api/v1/endpoints');
      return endpoints.filter(({ id, requests }) => id.startsWith('late-') && requests >= 10).length === 2;
    });
    await delay(300); // the workers have a table in which nobody is new
    expect((await asked(edge, ask('late', '/hold-first'))).status).toBe(200);
    const [server, first, second] = await receiver.traceOf('/hold-first');
    expect(server.attributes['fermat.attempts']).toBe(2);
    expect(first).toMatchObject({ isError: false, attributes: { 'fermat.outcome': 'outrun' } });
    expect(second).toMatchObject({ isError: false, attributes: { 'fermat.outcome': 'ok', 'fermat.hedge': true } });
    expect(told('/hold-first').flatMap(parentOf)).toEqual([named(first!), named(second!)]);
  });

  it('over HTTP/2, on both sides', async () => {
    const session = connect(`http://127.0.0.1:${edge.port}`);
    const state = 'rojo=1,congo=2';
    const stream = session.request({
      ':authority': 'two',
      ':path': '/h2',
      traceparent: `00-${TRACE}-${SPAN}-01`,
      tracestate: state,
    });
    await new Promise<void>((done) => stream.resume().on('end', done));
    session.close();
    const [server, client] = await receiver.traceOf('/h2');
    expect(server).toMatchObject({ traceId: TRACE, parentSpanId: SPAN, traceState: state });
    expect(server.attributes['network.protocol.version']).toBe('2');
    expect(client!.attributes['network.protocol.version']).toBe('2');
    const headers = h2Seen.find((one) => one[':path'] === '/h2')!;
    expect(headers).toMatchObject({ traceparent: named(client!), tracestate: state });
  });

  it('that is a gRPC call tells the status at its end, also when Fermat gives it', async () => {
    const session = connect(`http://127.0.0.1:${edge.port}`);
    for (const [authority, path] of [
      ['two', '/shop.Cart/Add'],
      ['nobody', '/shop.Cart/Lost'],
    ]) {
      const call = { ':authority': authority, ':method': 'POST', ':path': path, 'content-type': 'application/grpc' };
      const stream = session.request({ ...call, te: 'trailers' });
      await new Promise<void>((done) => stream.resume().on('end', done));
    }
    session.close();
    const [server, client] = await receiver.traceOf('/shop.Cart/Add');
    for (const span of [server, client]) {
      expect(span).toMatchObject({ isError: true, attributes: { 'rpc.system': 'grpc', 'error.type': 'UNAVAILABLE' } });
      expect(span!.attributes).toMatchObject({ 'rpc.grpc.status_code': 14, 'http.response.status_code': 200 });
    }
    const [lost] = await receiver.traceOf('/shop.Cart/Lost');
    expect(lost.attributes).toMatchObject({ 'rpc.grpc.status_code': 12, 'error.type': 'no_route' });
  });

  it('that Fermat answers itself says why', async () => {
    await asked(edge, ask('told', '/respond'));
    await asked(edge, ask('nobody', '/lost'));
    await asked(edge, ask('dead', '/dead'));
    const [respond, ...none] = await receiver.traceOf('/respond');
    expect(none).toEqual([]);
    expect(respond).toMatchObject({ name: 'GET told', isError: false });
    const [lost] = await receiver.traceOf('/lost');
    expect(lost).toMatchObject({ name: 'GET', isError: false });
    expect(lost.attributes).toMatchObject({ 'http.response.status_code': 404, 'error.type': 'no_route' });
    const [dead] = await receiver.traceOf('/dead');
    expect(dead.isError).toBe(true);
    expect(dead.attributes).toMatchObject({ 'http.response.status_code': 503, 'error.type': 'no_healthy_endpoint' });
  });

  it('whose answer is cut off is an error, whatever its head says', async () => {
    using client = await rawClient(edge.port);
    await client.send(ask('main', '/cut'));
    await client.closed();
    const [server, attempt] = await receiver.traceOf('/cut');
    expect(server).toMatchObject({ isError: true, attributes: { 'error.type': 'endpoint_reset' } });
    expect(attempt).toMatchObject({ isError: true, attributes: { 'error.type': 'endpoint_reset' } });
    expect(events(attempt!)).not.toContain('response.last_byte');
  });

  it('whose client goes away is none of the endpoint’s', async () => {
    const path = '/hold-first-and-go';
    {
      using client = await rawClient(edge.port);
      await client.send(ask('main', path));
      await until(() => told(path).length === 1);
    }
    const [server, attempt] = await receiver.traceOf(path);
    expect(server).toMatchObject({ isError: false, attributes: { 'error.type': 'client_gone' } });
    expect(server.attributes).not.toHaveProperty('http.response.status_code');
    expect(attempt).toMatchObject({ isError: false, attributes: { 'fermat.outcome': 'client_gone' } });
  });

  it('of a hostile client is as well formed as any', async () => {
    const fields = [
      `traceparent: 00-${TRACE}-${SPAN}-01`,
      `traceparent: 00-${TRACE}-${SPAN}-01`,
      'tracestate: \xff\xfe=\x80',
      'User-Agent: "}]}\\\xc3\x28 \xf0\x9f\x92\xa9',
    ];
    const text = `${'X'.repeat(300)} /hostile"\\/${'%00'.repeat(1000)}?q HTTP/1.1\r\nHost: main\r\n${fields.join('\r\n')}\r\n\r\n`;
    await asked(edge, text);
    const [server, client] = await receiver.trace(({ attributes }) =>
      String(attributes['url.path']).startsWith('/hostile'),
    );
    expect(server.traceId).not.toBe(TRACE);
    expect(server).toMatchObject({ name: 'HTTP main', parentSpanId: '', traceState: '' });
    expect(server.attributes['http.request.method']).toBe('_OTHER');
    expect(String(server.attributes['url.path']).length).toBe(2048);
    expect(server.attributes['user_agent.original']).toBe('"}]}\\\ufffd( 💩');
    const request = a.requests.find(({ target }) => target.startsWith('/hostile'))!;
    expect([parentOf(request), request.all('tracestate')]).toEqual([[named(client!)], []]);
  });
});

describe.concurrent('the parent of a request', () => {
  const valid = `00-${TRACE}-${SPAN}-01`;

  it.each([
    ['is kept', 'cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more', 'a=1', true],
    ['is kept, but not a tracestate that is none', valid, 'a=1,a=2', true],
    ['that is none is replaced, with its tracestate', `00-${TRACE}-${'0'.repeat(16)}-01`, 'a=1', false],
  ])('%s', async (what, traceparent, state, isKept) => {
    const path = `/parent-${what.length}`;
    await asked(edge, ask('main', path, `traceparent: ${traceparent}\r\ntracestate: ${state}\r\n`));
    const [server, client] = await receiver.traceOf(path);
    expect(server.traceId === TRACE).toBe(isKept);
    expect(server.parentSpanId).toBe(isKept ? SPAN : '');
    const [request] = told(path);
    expect(parentOf(request!)).toEqual([named(client!)]);
    expect(request!.field('tracestate')).toBe(isKept && state === 'a=1' ? state : null);
  });

  it('decides when it is a trusted one’s, and is left alone when it is not', async () => {
    const line = `traceparent: ${valid}\r\ntracestate: a=1\r\n`;
    await asked(shy, ask('main', '/outsider', line));
    await asked(shy, ask('main', '/unsampled', line.replace('-01\r', '-00\r')), TRUSTED);
    await asked(shy, ask('main', '/asked-for', line), TRUSTED);
    const [server, client] = await receiver.traceOf('/asked-for');
    expect([server.traceId, server.parentSpanId]).toEqual([TRACE, SPAN]);
    expect(parentOf(told('/asked-for')[0]!)).toEqual([named(client!)]);
    expect(parentOf(told('/outsider')[0]!)).toEqual([valid]);
    expect(told('/outsider')[0]!.all('tracestate')).toEqual(['a=1']);
    expect(parentOf(told('/unsampled')[0]!)).toEqual([`00-${TRACE}-${SPAN}-00`]);
    // Sent before it, and from the same worker.
    const paths = receiver.spans.map(({ attributes }) => attributes['url.path']);
    expect(paths).not.toContain('/outsider');
    expect(paths).not.toContain('/unsampled');
  });

  it('is not told where the route has removed it', async () => {
    await asked(edge, ask('kept', '/removed', `traceparent: ${valid}\r\n`));
    const [server] = await receiver.traceOf('/removed');
    expect(server.traceId).toBe(TRACE);
    expect(parentOf(told('/removed')[0]!)).toEqual([]);
  });
});

describe('the collector', () => {
  it('is told who asks, which nobody else is', async () => {
    await asked(shy, ask('main', '/who', `traceparent: 00-${TRACE}-${SPAN}-01\r\n`), TRUSTED);
    await receiver.traceOf('/who');
    const batch = receiver.batches.find(({ spans }) =>
      spans.some(({ attributes }) => attributes['url.path'] === '/who'),
    )!;
    expect(batch).toMatchObject({ path: '/v1/traces', headers: { authorization: 't0' } });
    const { tracing } = await shy.json<{ tracing: Record<string, unknown> }>('/api/v1/config');
    expect(tracing).toMatchObject({ otlp: receiver.url, headers: { authorization: '***' } });
    expect(await edge.metric('fermat_trace_spans_total', 'result="exported"')).toBeGreaterThan(0);
  });

  it('is found from a slow bucket of a histogram', async () => {
    const headers = { accept: 'application/openmetrics-text; version=1.0.0' };
    const { text } = await edge.admin('/metrics', { headers });
    const ids = receiver.spans.filter(({ kind }) => kind === 'server').map(({ traceId }) => traceId);
    const shown = [...text.matchAll(/^fermat_request_duration_seconds_bucket.* # \{trace_id="([0-9a-f]{32})"/gm)];
    expect(shown.length).toBeGreaterThan(0);
    for (const [, traceId] of shown) expect(ids).toContain(traceId);
  });

  it('is forgotten by a reload without it, and fields pass untouched as ever', async () => {
    const traceparent = `00-${TRACE}-${SPAN}-01`;
    const { tracing, ...rest } = JSON.parse(readFileSync(shy.file, 'utf8')) as Config;
    shy.writeConfig(rest);
    expect((await shy.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    await asked(shy, ask('main', '/off', `traceparent: ${traceparent}\r\n`), TRUSTED);
    expect(parentOf(told('/off')[0]!)).toEqual([traceparent]);
    shy.writeConfig({ ...rest, tracing });
    expect((await shy.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    await asked(shy, ask('main', '/on', `traceparent: ${traceparent}\r\n`), TRUSTED);
    const [, client] = await receiver.traceOf('/on');
    expect(parentOf(told('/on')[0]!)).toEqual([named(client!)]);
  });

  it('may go away: requests do not notice, spans wait, and what a drain finds is given away', async () => {
    await receiver.close();
    await asked(shy, ask('main', '/down', `traceparent: 00-${TRACE}-${SPAN}-01\r\n`), TRUSTED);
    await until(() => shy.events.some(({ type }) => type === 'tracing.down'), 'the event');
    expect((await asked(shy, ask('main', '/still'))).status).toBe(200);
    await receiver.listen();
    await receiver.traceOf('/down');
    await until(() => shy.events.some(({ type }) => type === 'tracing.ok'));
    expect(shy.events.filter(({ type }) => type === 'tracing.down').length).toBe(1);
    await asked(shy, ask('main', '/last', `traceparent: 00-${TRACE}-${SPAN}-01\r\n`), TRUSTED);
    expect((await shy.stop()).code).toBe(0);
    expect(receiver.spans.filter(({ attributes }) => attributes['url.path'] === '/last').length).toBe(1);
  });
});
