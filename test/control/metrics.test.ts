import { describe, expect, it } from 'vitest';
import { Metrics, type MetricsSources } from '../../src/control/metrics.ts';
import { CELL, DURATION_BUCKETS_S, MANY, METHODS, OTHER, OVERHEAD_BUCKETS_S } from '../../src/core/cells.ts';
import {
  endpointView as endpoint,
  NAMES,
  newWorker,
  samplesOf as samplesIn,
  sourcesOf,
} from '../support/exposition.ts';

const GET = METHODS.indexOf('GET');
const code = (status: number, method = GET) => (method << 10) | status;

const metricsOf = (sources: Partial<MetricsSources>): Metrics => new Metrics(sourcesOf(sources));
const samplesOf = async (metrics: Metrics): Promise<Map<string, number>> => samplesIn(await metrics.text());

describe('metrics', () => {
  it('adds up what all workers counted, by name', async () => {
    const workers = [newWorker(0), newWorker(1)];
    for (const { writer } of workers) writer.count(CELL.REQUESTS, 0, 1, code(200), 5);
    workers[1]!.writer.count(CELL.REQUESTS, 1, 0, code(503, METHODS.indexOf('POST')));
    workers[0]!.writer.count(CELL.SELECTIONS, 0, 1, 0, 4);
    workers[0]!.writer.count(CELL.RETRIES, 0, 2, 0);
    workers[0]!.writer.count(CELL.GEOIP, 1, 0, 0, 9);
    const samples = await samplesOf(metricsOf({ lanes: () => workers }));
    expect(samples.get('fermat_requests_total{route="shop",endpoint="iad-1",method="GET",code="200"}')).toBe(10);
    expect(samples.get('fermat_requests_total{route="blog",endpoint="fra-1",method="POST",code="503"}')).toBe(1);
    expect(samples.get('fermat_selections_total{pool="web",endpoint="iad-1",role="band"}')).toBe(4);
    expect(samples.get('fermat_retries_total{pool="web",result="budget"}')).toBe(1);
    expect(samples.get('fermat_geoip_lookups_total{result="miss"}')).toBe(9);
  });

  it('calls an answer of Fermat itself `none`, and what has no name or no room `other`', async () => {
    const worker = newWorker(0);
    worker.writer.count(CELL.REQUESTS, OTHER, OTHER, code(404));
    worker.writer.count(CELL.REQUESTS, 0, OTHER, code(503));
    worker.writer.count(CELL.REQUESTS, 77, 78, code(200), 2);
    worker.writer.count(CELL.REQUESTS, 79, 80, code(200), 3); // the same labels: one line
    worker.writer.count(CELL.REQUESTS, OTHER, OTHER, 0, 7); // the cell of a full directory
    worker.writer.count(CELL.REQUESTS, 0, MANY, code(5, 0), 4); // coarse: 5xx of any method and endpoint
    const samples = await samplesOf(metricsOf({ lanes: () => [worker] }));
    expect(samples.get('fermat_requests_total{route="none",endpoint="none",method="GET",code="404"}')).toBe(1);
    expect(samples.get('fermat_requests_total{route="shop",endpoint="none",method="GET",code="503"}')).toBe(1);
    expect(samples.get('fermat_requests_total{route="other",endpoint="other",method="GET",code="200"}')).toBe(5);
    expect(samples.get('fermat_requests_total{route="other",endpoint="other",method="other",code="other"}')).toBe(7);
    expect(samples.get('fermat_requests_total{route="shop",endpoint="other",method="other",code="5xx"}')).toBe(4);
  });

  it('tells when certificates expire: of those that share a name, the first', async () => {
    const certificate = (name: string, expiresAtMs: number) => ({ cert: '', key: '', names: [name], expiresAtMs });
    const certificates = [certificate('a.test', 9000), certificate('a.test', 7000), certificate('b.test', 8000)];
    const tls = { certificates, minVersion: '1.2', clientCa: null, alpn: [] } as const;
    const listeners = [
      { name: 'plain', tls: null },
      { name: 'https', tls },
    ];
    const samples = await samplesOf(metricsOf({ listeners: () => listeners }));
    const expiry = (name: string) =>
      samples.get(`fermat_tls_certificate_expiry_timestamp_seconds{listener="https",name="${name}"}`);
    expect([expiry('a.test'), expiry('b.test')]).toEqual([7, 8]);
  });

  it('makes histograms cumulative, with sum and count', async () => {
    const workers = [newWorker(0), newWorker(1)];
    workers[0]!.writer.observe(CELL.DURATION, 0, 0, DURATION_BUCKETS_S, 0.0004);
    workers[0]!.writer.observe(CELL.DURATION, 0, 0, DURATION_BUCKETS_S, 0.02);
    workers[1]!.writer.observe(CELL.DURATION, 0, 0, DURATION_BUCKETS_S, 99);
    const samples = await samplesOf(metricsOf({ lanes: () => workers }));
    const bucket = (le: string) => samples.get(`fermat_request_duration_seconds_bucket{le="${le}",route="shop"}`);
    expect([bucket('0.0005'), bucket('0.01'), bucket('0.025'), bucket('30'), bucket('+Inf')]).toEqual([1, 1, 2, 2, 3]);
    expect(samples.get('fermat_request_duration_seconds_count{route="shop"}')).toBe(3);
    expect(samples.get('fermat_request_duration_seconds_sum{route="shop"}')).toBeCloseTo(99.0204, 9);
  });

  it('never lets a counter go back when a worker dies, and drops the connections that died with it', async () => {
    const first = newWorker(0);
    const other = newWorker(1);
    let lanes = [first, other];
    const metrics = metricsOf({ lanes: () => lanes });
    first.writer.count(CELL.REQUESTS, 0, 0, code(200), 100);
    first.writer.observe(CELL.OVERHEAD, 0, 0, OVERHEAD_BUCKETS_S, 0.5);
    first.writer.count(CELL.CONNECTIONS, 0, 0, 0, 40);
    other.writer.count(CELL.CONNECTIONS, 0, 0, 0, 2);
    const requests = 'fermat_requests_total{route="shop",endpoint="fra-1",method="GET",code="200"}';
    expect((await samplesOf(metrics)).get('fermat_connections{listener="http"}')).toBe(42);

    metrics.fold(first.reader);
    const replacement = newWorker(0);
    lanes = [replacement, other];
    metrics.workerRestarted();
    let samples = await samplesOf(metrics);
    expect(samples.get(requests)).toBe(100);
    expect(samples.get('fermat_overhead_seconds_sum')).toBe(0.5);
    expect(samples.get('fermat_connections{listener="http"}')).toBe(2);
    expect(samples.get('fermat_worker_restarts_total')).toBe(1);

    replacement.writer.count(CELL.REQUESTS, 0, 0, code(200), 1);
    metrics.fold(replacement.reader);
    lanes = [other];
    samples = await samplesOf(metrics);
    expect(samples.get(requests)).toBe(101);
  });

  it('counts what the control plane tells it', async () => {
    const metrics = metricsOf({});
    metrics.stateChanged('fra-1', 'unhealthy', 'probe');
    metrics.probed('fra-1', true, null);
    metrics.probed('fra-1', false, 'timeout');
    metrics.switched('web', 'faster');
    metrics.locationLie('iad-1');
    metrics.reload(true);
    metrics.reload(false);
    const samples = await samplesOf(metrics);
    expect(samples.get('fermat_endpoint_state_changes_total{endpoint="fra-1",to="unhealthy",reason="probe"}')).toBe(1);
    expect(samples.get('fermat_probes_total{endpoint="fra-1",result="ok"}')).toBe(1);
    expect(samples.get('fermat_probes_total{endpoint="fra-1",result="timeout"}')).toBe(1);
    expect(samples.get('fermat_route_switches_total{pool="web",reason="faster"}')).toBe(1);
    expect(samples.get('fermat_endpoint_location_lies_total{endpoint="iad-1"}')).toBe(1);
    expect(samples.get('fermat_config_reloads_total{result="success"}')).toBe(1);
    expect(samples.get('fermat_config_reloads_total{result="failure"}')).toBe(1);
    expect(samples.get('fermat_config_last_reload_successful')).toBe(0);
  });

  it('shows endpoints, node, database and workers in base units, and leaves out what is not known', async () => {
    const worker = newWorker(0);
    worker.writer.beat(8, 5_000_000);
    const samples = await samplesOf(
      metricsOf({
        lanes: () => [worker],
        geo: () => ({ built: '2026-06-05T00:00:00.000Z' }),
        endpoints: () => [
          endpoint('fra-1', { region: 'aws:eu-central-1' }),
          endpoint('iad-1', { healthy: false, networkMs: null, scoreMs: null }),
        ],
      }),
    );
    expect(samples.get('fermat_endpoint_healthy{pool="web",endpoint="fra-1"}')).toBe(1);
    expect(samples.get('fermat_endpoint_healthy{pool="web",endpoint="iad-1"}')).toBe(0);
    expect(samples.get('fermat_endpoint_network_rtt_seconds{pool="web",endpoint="fra-1"}')).toBe(0.0125);
    expect(samples.has('fermat_endpoint_network_rtt_seconds{pool="web",endpoint="iad-1"}')).toBe(false);
    expect(samples.get('fermat_endpoint_score_seconds{pool="web",endpoint="fra-1"}')).toBe(0.015);
    expect(samples.get('fermat_endpoint_inflight{pool="web",endpoint="fra-1"}')).toBe(3);
    const info = (id: string, region: string) =>
      samples.get(`fermat_endpoint_info{pool="web",endpoint="${id}",region="${region}",via="none"}`);
    expect([info('fra-1', 'aws:eu-central-1'), info('iad-1', 'unknown')]).toEqual([1, 1]);
    expect(samples.get('fermat_geoip_database_build_timestamp_seconds')).toBe(Date.UTC(2026, 5, 5) / 1000);
    expect(samples.get(`fermat_build_info{version="0.1.0",node="${process.version}"}`)).toBe(1);
    expect(samples.get('fermat_worker_event_loop_lag_seconds{worker="0"}')).toBe(0.008);
    expect(samples.get('fermat_worker_heap_bytes{worker="0"}')).toBe(5_000_000);
    expect(samples.has('process_resident_memory_bytes')).toBe(true);
    expect(samples.has('nodejs_eventloop_lag_seconds')).toBe(true);
  });

  it('quotes names that hold quotes, backslashes and line ends', async () => {
    const worker = newWorker(0);
    worker.writer.count(CELL.CONNECTIONS, 0, 0, 0, 1);
    const text = await metricsOf({
      lanes: () => [worker],
      names: () => ({ ...NAMES, listeners: ['a"b\\c\nd'] }),
    }).text();
    expect(text).toContain('fermat_connections{listener="a\\"b\\\\c\\nd"} 1');
  });

  it('gives everyone who asks meanwhile the same scrape', async () => {
    let asked = 0;
    const metrics = metricsOf({
      endpoints: () => {
        asked++;
        return [];
      },
    });
    const texts = await Promise.all([metrics.text(), metrics.text(), metrics.text()]);
    expect(new Set(texts).size).toBe(1);
    expect(asked).toBe(1);
    await metrics.text();
    expect(asked).toBe(2);
  });

  it('counts a worker once that dies while two scrapes are under way', async () => {
    const worker = newWorker(0);
    let lanes = [worker];
    const names = { ...NAMES, endpoints: Array.from({ length: 2600 }, (_, i) => `e${i}`) };
    const metrics = metricsOf({ lanes: () => lanes, names: () => names });
    for (let i = 0; i < 2600; i++) worker.writer.count(CELL.SELECTIONS, 0, i, 0);
    const sumOf = (text: string): number =>
      [...samplesIn(text)].reduce((sum, [name, n]) => (name.startsWith('fermat_selections_total') ? sum + n : sum), 0);
    // The second waits for the first, which is in the middle of its sum.
    const both = [metrics.page('text'), metrics.page('openmetrics')];
    for (let turn = 0; turn < 4; turn++) await null;
    metrics.fold(worker.reader);
    lanes = [];
    for (const page of await Promise.all(both)) expect(sumOf(page.toString())).toBe(2600);
    expect(sumOf(await metrics.text())).toBe(2600);
  });
});
