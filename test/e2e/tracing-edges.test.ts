// Traces beyond one process: over two edges, where the request enters at one that has no direct path to the endpoint, and is sent
// on by the other, which samples nothing of its own and believes the first; and over a hot restart.

import { expect, it } from 'vitest';
import { type Config, poolOf, simpleConfig, startFermat } from '../support/fermat.ts';
import { startOrigin } from '../support/origin.ts';
import { type ReceivedSpan, startReceiver } from '../support/otlp-receiver.ts';
import { exchange, get } from '../support/raw.ts';
import { askAnew, endAll, hotRestart, isAlive } from '../support/succession.ts';
import { until } from '../support/until.ts';

const SECRET = 'a secret that all edges know';
/** Nobody listens on it. */
const NOWHERE = 'http://127.0.0.1:9';

it('the spans of the second edge hang below the attempt of the first, and the endpoint below both', async () => {
  await using receiver = await startReceiver();
  await using origin = await startOrigin();
  const at = (id: string, url: string, peers: Config[], sample: number): Config => ({
    node: { id },
    pools: { main: poolOf([url], { probe: { type: 'tcp', interval: '300ms', timeout: '1s' }, outlier: {} }) },
    routes: [{ name: 'shop', pool: 'main', overlay: 'failover' }],
    overlay: { address: '127.0.0.1:0', interval: '200ms', match: 'id', secret: SECRET, peers },
    tracing: { otlp: receiver.url, sample, serviceName: id },
  });
  await using relay = await startFermat(at('relay', origin.url, [{ id: 'edge', url: NOWHERE }], 0));
  const peers = [{ id: 'relay', url: `http://127.0.0.1:${relay.ports.overlay}` }];
  await using edge = await startFermat(at('edge', NOWHERE, peers, 1), { isUnready: true });
  await until(async () => (await exchange(edge.port, get('/ready'))).status === 200, 'a way over the relay');
  await exchange(edge.port, get('/over'));

  const chain = await until(() => {
    const ofPath = receiver.spans.find(({ attributes }) => attributes['url.path'] === '/over');
    const spans = receiver.spans.filter(({ traceId }) => traceId === ofPath?.traceId);
    return spans.length === 4 ? spans : null;
  }, 'four spans');
  const path: ReceivedSpan[] = [];
  for (let parent = ''; path.length < 4; parent = path.at(-1)!.spanId) {
    path.push(chain.find(({ parentSpanId }) => parentSpanId === parent)!);
  }
  expect(path.map(({ kind, resource }) => `${resource['service.name']} ${kind}`)).toEqual([
    'edge server',
    'edge client',
    'relay server',
    'relay client',
  ]);
  expect(path[1]!.attributes).toMatchObject({ 'fermat.via': 'relay', 'http.response.status_code': 200 });
  expect(path[2]!.attributes).toMatchObject({ 'client.address': '127.0.0.1', 'fermat.pool': 'main' });
  const told = origin.requests.find(({ target }) => target === '/over')!.all('traceparent');
  expect(told).toEqual([`00-${path[3]!.traceId}-${path[3]!.spanId}-01`]);
  expect([receiver.faults, origin.faults]).toEqual([[], []]);
});

it('a hot restart loses no span: the process that goes gives away what it has, and its successor counts on', async () => {
  await using receiver = await startReceiver();
  await using origin = await startOrigin();
  const tracing = { otlp: receiver.url, sample: 1 };
  const fermat = await startFermat(simpleConfig([origin.url], {}, { tracing }));
  try {
    receiver.reply = () => ({ status: 503, headers: { 'retry-after': '3600' } });
    await exchange(fermat.port, get('/before'));
    await until(() => fermat.events.some(({ type }) => type === 'tracing.down'), 'the event');
    await hotRestart(fermat);
    receiver.batches.length = 0; // what was refused
    receiver.reply = () => ({});
    await exchange(fermat.port, get('/after'));
    await until(() => !isAlive(fermat.pid), 'the end of the one that was replaced');
    const [, after] = [await receiver.traceOf('/before'), await receiver.traceOf('/after')];
    expect(after.length).toBe(2);
    expect(receiver.spans.length).toBe(4);
    await until(async () => {
      const { text } = await askAnew(fermat, '/metrics');
      return text.includes('fermat_trace_spans_total{result="exported"} 4\n');
    }, 'the successor to count all four');
    expect(receiver.faults).toEqual([]);
  } finally {
    await endAll(fermat);
  }
}, 60_000);
