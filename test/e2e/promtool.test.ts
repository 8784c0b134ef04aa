// What Prometheus itself thinks of /metrics: promtool of the real Prometheus, on the real process after real traffic.

import { describe, expect, it } from 'vitest';
import { simpleConfig, startFermat } from '../support/fermat.ts';
import { startOrigin } from '../support/origin.ts';
import { complaintsOf } from '../support/prometheus.ts';
import { exchange, get } from '../support/raw.ts';
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
    for (const name of CONTRACT) expect(text, name).toContain(`# TYPE ${name} `);
  });
});

/** Every family that CONTRACT.md names, and the usual ones of the process. */
const CONTRACT = [
  'fermat_requests_total',
  'fermat_request_duration_seconds',
  'fermat_overhead_seconds',
  'fermat_upstream_first_byte_seconds',
  'fermat_upstream_connect_seconds',
  'fermat_endpoint_healthy',
  'fermat_endpoint_network_rtt_seconds',
  'fermat_endpoint_score_seconds',
  'fermat_endpoint_inflight',
  'fermat_endpoint_state_changes_total',
  'fermat_probes_total',
  'fermat_selections_total',
  'fermat_route_switches_total',
  'fermat_retries_total',
  'fermat_hedges_total',
  'fermat_connections',
  'fermat_geoip_lookups_total',
  'fermat_geoip_database_build_timestamp_seconds',
  'fermat_config_reloads_total',
  'fermat_config_last_reload_successful',
  'fermat_worker_restarts_total',
  'fermat_build_info',
  'fermat_worker_event_loop_lag_seconds',
  'fermat_worker_heap_bytes',
  'process_resident_memory_bytes',
  'process_cpu_seconds_total',
  'nodejs_heap_size_used_bytes',
  'nodejs_eventloop_lag_seconds',
];
