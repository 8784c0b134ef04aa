// What Prometheus itself thinks of /metrics: promtool of the real Prometheus, on the real process after real traffic.

import { describe, expect, it } from 'vitest';
import { poolOf, simpleConfig, startFermat } from '../support/fermat.ts';
import { startOrigin } from '../support/origin.ts';
import { complaintsOf } from '../support/prometheus.ts';
import { exchange, get, rawClient } from '../support/raw.ts';
import { until } from '../support/until.ts';

describe('promtool check metrics', () => {
  it('complains of what is wrong, so that its silence means something', () => {
    expect(complaintsOf('# TYPE fermat_things_total gauge\nfermat_things_total 1\n')).toContain('_total');
    expect(complaintsOf('fermat_things{a="1"} 1\nfermat_things{a="1"} 2\n')).not.toBe('');
  });

  it('has nothing to say of a node that served, failed, probed and reloaded', async () => {
    await using origin = await startOrigin();
    await using fermat = await startFermat(
      simpleConfig([origin.url, 'http://127.0.0.1:9'], { probe: { type: 'tcp', interval: '200ms', timeout: '100ms' } }),
    );
    for (let i = 0; i < 20; i++) expect((await exchange(fermat.port, get(`/${i}`))).status).toBe(200);
    await fermat.admin('/api/v1/reload', { method: 'POST' });
    await until(async () => (await fermat.metric('fermat_requests_total', 'code="200"')) === 20, 'the requests');
    await until(
      async () => (await fermat.metric('fermat_probes_total', 'endpoint="e1"', 'connect')) > 0,
      'a failed probe',
    );
    expect(await fermat.metric('fermat_config_reloads_total', 'success')).toBe(1);
    const { text } = await fermat.admin('/metrics');
    expect(complaintsOf(text)).toBe('');
    for (const name of USUAL) expect(text, name).toContain(`# TYPE ${name} `);
  });

  it('has no more series for all that strangers can make up: hosts, paths, methods, statuses', async () => {
    await using origin = await startOrigin((request) => request.answer(Number(request.target.slice(1)) || 200));
    await using fermat = await startFermat({
      pools: { main: poolOf([origin.url]) },
      routes: [{ name: 'all', pool: 'main' }],
    });
    using client = await rawClient(fermat.port);
    const asked = 700;
    for (let i = 0; i < asked; i++) {
      const method = i % 3 === 0 ? `MADE-UP-${i}` : 'GET';
      await client.send(
        `${method} /${200 + (i % 400)} HTTP/1.1\r\nHost: h${i}.example\r\nX-Forwarded-For: 10.0.0.${i % 250}\r\n\r\n`,
      );
      await client.answer(method);
    }
    await until(async () => (await fermat.metric('fermat_requests_total', 'route="all"')) === asked, 'the requests');
    const { text } = await fermat.admin('/metrics');
    const series = text.split('\n').filter((line) => line.startsWith('fermat_requests_total{'));
    // Fewer than a hundred codes that people know, and classes; each with GET and with any other method.
    expect(series.length).toBeLessThan(200);
    expect(text).not.toMatch(/MADE|example|10\.0\.0\./);
    expect(await fermat.metric('fermat_requests_total', 'code="5xx"')).toBeGreaterThan(20);
    expect(await fermat.metric('fermat_requests_total', 'method="other"')).toBe(Math.ceil(asked / 3));
  });
});

/** Beside our own (e2e/prometheus.test.ts), the usual ones of the process. */
const USUAL = [
  'process_resident_memory_bytes',
  'process_cpu_seconds_total',
  'nodejs_heap_size_used_bytes',
  'nodejs_eventloop_lag_seconds',
];
