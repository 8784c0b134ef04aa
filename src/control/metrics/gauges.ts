// Gauges of what is there now, read at the moment of a scrape: endpoints, certificates, databases, workers.

import type { Registry } from 'prom-client';
import type { LaneReader } from '../../core/lane-reader.ts';
import type { ListenerSpec } from '../../core/snapshot.ts';
import type { EndpointGauges } from '../fleet/views.ts';
import { expiriesOf } from './expiries.ts';
import { expose, exposeLines, type Sample } from './expose.ts';
import { labelText } from './page.ts';
import type { Labels } from './totals.ts';

export interface NodeSources {
  readonly version: string;
  readonly lanes: () => readonly { readonly index: number; readonly reader: LaneReader }[];
  readonly geo: () => { readonly built: string | null } | null;
  readonly listeners: () => readonly Pick<ListenerSpec, 'name' | 'tls'>[];
}

export function addEndpointGauges(registry: Registry, endpoints: () => readonly EndpointGauges[]): void {
  const gauge = (
    name: string,
    help: string,
    read: (endpoint: EndpointGauges) => number | null,
    more: (endpoint: EndpointGauges) => Labels = () => NO_LABELS,
  ) =>
    exposeLines(registry, { name, help, type: 'gauge' }, async (page) => {
      for (const endpoint of endpoints()) {
        const value = read(endpoint);
        if (value === null) continue;
        page.line(name, labelText({ pool: endpoint.pool, endpoint: endpoint.id, ...more(endpoint) }), value);
        const due = page.breathe();
        if (due !== undefined) await due;
      }
    });
  gauge('fermat_endpoint_healthy', 'Whether the endpoint is used: 1, or 0 while it is out.', (e) =>
    e.healthy ? 1 : 0,
  );
  gauge('fermat_endpoint_network_rtt_seconds', 'Network term of the score: a round trip to the endpoint.', (e) =>
    secondsOf(e.networkMs),
  );
  gauge('fermat_endpoint_score_seconds', 'Score: the expected time of one more request. Lower is better.', (e) =>
    secondsOf(e.scoreMs),
  );
  gauge('fermat_endpoint_inflight', 'Requests in flight at the endpoint, from this node.', (e) => e.inflight);
  const info =
    'Constant 1; where the endpoint is ("unknown" where nothing says so), and over which other edge it is reached ("none": directly).';
  gauge(
    'fermat_endpoint_info',
    info,
    () => 1,
    (e) => ({ region: e.region ?? 'unknown', via: e.via ?? 'none' }),
  );
}

const NO_LABELS: Labels = {};

export function addNodeGauges(registry: Registry, { version, geo, lanes, listeners }: NodeSources): void {
  const gauge = (name: string, help: string, samples: () => Sample[]) =>
    expose(registry, { name, help, type: 'gauge' }, samples);
  const build = { version, node: process.version };
  gauge('fermat_build_info', 'Constant 1; the version of Fermat and of Node that runs here.', () => [
    { value: 1, labels: build },
  ]);
  gauge('fermat_geoip_database_build_timestamp_seconds', 'When the GeoIP database in use was built.', () => {
    const builtMs = Date.parse(geo()?.built ?? '');
    return Number.isNaN(builtMs) ? [] : [{ value: builtMs / 1000 }];
  });
  const expiry = 'When the certificate of a listener that is called so expires; the first, where several are.';
  gauge('fermat_tls_certificate_expiry_timestamp_seconds', expiry, () => expiriesOf(listeners()));
  const perWorker = (name: string, help: string, read: (reader: LaneReader) => number) =>
    gauge(name, help, () =>
      lanes().map(({ index, reader }) => ({ value: read(reader), labels: { worker: String(index) } })),
    );
  perWorker(
    'fermat_worker_event_loop_lag_seconds',
    'How late the event loop of a worker was when it last looked.',
    (r) => r.loopLagMs / 1000,
  );
  perWorker(
    'fermat_overload',
    'What a worker sheds: 0 nothing, 1 low, 2 normal too, 3 all; parts between.',
    (r) => r.pressure,
  );
  perWorker('fermat_worker_heap_bytes', 'JavaScript heap in use by a worker.', (r) => r.heapBytes);
}

function secondsOf(ms: number | null): number | null {
  return ms === null || !Number.isFinite(ms) ? null : ms / 1000;
}
