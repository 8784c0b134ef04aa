// What it costs and what stands behind it: Fermat itself, its limits, connections, databases and configuration, the fleet.

import { bars, type Row, series, stat } from './panel.ts';
import { count, NODE, POOL, quantile, ROUTE, rate } from './query.ts';

export const ITSELF: Row = {
  title: 'Fermat itself',
  panels: [
    series({
      title: 'What Fermat adds',
      about: 'Time of a request less that of its endpoint, of answers without errors and requests without bodies.',
      unit: 's',
      queries: [0.5, 0.99].map((q) => ({ expr: quantile(q, 'fermat_overhead_seconds', NODE), legend: `p${q * 100}` })),
    }),
    series({
      title: 'CPU',
      about: 'Cores in use by each node, all its threads together.',
      unit: 'short',
      queries: [{ expr: rate('process_cpu_seconds_total', NODE), legend: '{{instance}}' }],
    }),
    series({
      title: 'CPU a request',
      about: 'Of the whole process, probes and all; it means something under load only.',
      unit: 's',
      queries: [
        {
          expr: `sum by (instance) (${rate('process_cpu_seconds_total', NODE)}) / sum by (instance) (${rate('fermat_requests_total', NODE)})`,
          legend: '{{instance}}',
        },
      ],
    }),
    series({
      title: 'Lateness of event loops',
      about: 'Workers, and p99 of the control thread. A worker that is often late has too much to do.',
      unit: 's',
      queries: [
        { expr: `fermat_worker_event_loop_lag_seconds{${NODE}}`, legend: '{{instance}} worker {{worker}}' },
        { expr: `nodejs_eventloop_lag_p99_seconds{${NODE}}`, legend: '{{instance}} control p99' },
      ],
    }),
    series({
      title: 'Memory',
      about: 'Heaps of workers and of the control thread, and what the process takes in all.',
      unit: 'bytes',
      queries: [
        { expr: `fermat_worker_heap_bytes{${NODE}}`, legend: '{{instance}} worker {{worker}}' },
        { expr: `nodejs_heap_size_used_bytes{${NODE}}`, legend: '{{instance}} control' },
        { expr: `process_resident_memory_bytes{${NODE}}`, legend: '{{instance}} resident' },
      ],
    }),
    series({
      title: 'Lost and restarted',
      about:
        'Workers that died, measurements that nobody took, lines of logs and spans that were dropped, series that had no room.',
      unit: 'short',
      isBars: true,
      queries: [
        { expr: `sum(${count('fermat_worker_restarts_total', NODE)})`, legend: 'workers restarted' },
        { expr: `sum(${count('fermat_samples_lost_total', NODE)})`, legend: 'samples lost' },
        { expr: `sum(${count('fermat_access_log_dropped_total', NODE)})`, legend: 'log lines dropped' },
        {
          expr: `sum(${count('fermat_trace_spans_total', `${NODE},result=~"dropped|rejected"`)})`,
          legend: 'spans dropped',
        },
        { expr: `sum(${count('fermat_metrics_overflow_total', NODE)})`, legend: 'counted as other' },
      ],
    }),
    series({
      title: 'Files and sockets',
      about: 'Descriptors in use, and how many there may be.',
      unit: 'short',
      queries: [
        { expr: `process_open_fds{${NODE}}`, legend: '{{instance}}' },
        { expr: `min(process_max_fds{${NODE}})`, legend: 'most' },
      ],
    }),
    series({
      title: 'Spans',
      about: 'Traced spans and what became of them; limited: requests not traced, since too many were.',
      unit: 'ops',
      stack: 'normal',
      queries: [{ expr: `sum by (result) (${rate('fermat_trace_spans_total', NODE)})`, legend: '{{result}}' }],
    }),
  ],
};

export const LIMITS: Row = {
  title: 'Retries, hedges, limits',
  panels: [
    series({
      title: 'Retries',
      about: 'Second attempts after a failure; "budget": they were due, but too many others had been made.',
      unit: 'ops',
      stack: 'normal',
      queries: [
        { expr: `sum by (pool, result) (${rate('fermat_retries_total', POOL)})`, legend: '{{pool}} {{result}}' },
      ],
    }),
    series({
      title: 'Hedges',
      about: 'Second attempts beside a late first one: won, lost, or not afforded (budget).',
      unit: 'ops',
      stack: 'normal',
      queries: [
        { expr: `sum by (pool, result) (${rate('fermat_hedges_total', POOL)})`, legend: '{{pool}} {{result}}' },
      ],
    }),
    series({
      title: 'Turned away',
      about:
        'Requests answered with 503 (client: 429) since something was too much: loop, memory, requests, client, pool, endpoint.',
      unit: 'reqps',
      stack: 'normal',
      queries: [{ expr: `sum by (reason) (${rate('fermat_shed_total', ROUTE)})`, legend: '{{reason}}' }],
    }),
    series({
      title: 'Rate limited',
      about: 'Requests answered with 429 by a limit on their rate.',
      unit: 'reqps',
      stack: 'normal',
      queries: [{ expr: `sum by (route) (${rate('fermat_rate_limited_total', ROUTE)})`, legend: '{{route}}' }],
    }),
    series({
      title: 'Overload',
      about: 'How hard workers shed: above 0 routes of low priority are turned away, above 1 normal ones, above 2 all.',
      unit: 'short',
      max: 3,
      steps: [
        { color: 'green', value: null },
        { color: 'yellow', value: 0.5 },
        { color: 'red', value: 2 },
      ],
      queries: [{ expr: `fermat_overload{${NODE}}`, legend: '{{instance}} worker {{worker}}' }],
    }),
    series({
      title: 'Keys of rate limits',
      about: 'Keys that are not at rest, and those forgotten before their time since the table was full.',
      unit: 'short',
      queries: [
        { expr: `fermat_rate_limit_keys{${NODE}}`, legend: '{{instance}}' },
        { expr: `sum(${count('fermat_rate_limit_evictions_total', NODE)})`, legend: 'evicted' },
        { expr: `sum(${count('fermat_rate_limit_settlements_total', NODE)})`, legend: 'settled with others' },
      ],
    }),
  ],
};

export const CONNECTIONS: Row = {
  title: 'Connections and TLS',
  panels: [
    series({
      title: 'Connections of clients',
      about: 'Open now, by listener.',
      unit: 'short',
      stack: 'normal',
      queries: [{ expr: `sum by (listener) (fermat_connections{${NODE}})`, legend: '{{listener}}' }],
    }),
    series({
      title: 'TLS handshakes',
      about: 'ok, resumed (cheaper), failed, or timeout.',
      unit: 'ops',
      stack: 'normal',
      queries: [
        {
          expr: `sum by (listener, result) (${rate('fermat_tls_handshakes_total', NODE)})`,
          legend: '{{listener}} {{result}}',
        },
      ],
    }),
    bars({
      title: 'Certificates expire in',
      about: 'Time that is left, by listener and name. They are read again when the files change.',
      unit: 'dtdurations',
      steps: [
        { color: 'red', value: null },
        { color: 'yellow', value: 7 * 86_400 },
        { color: 'green', value: 21 * 86_400 },
      ],
      queries: [
        {
          expr: `min by (listener, name) (fermat_tls_certificate_expiry_timestamp_seconds{${NODE}}) - time()`,
          legend: '{{listener}} {{name}}',
        },
      ],
    }),
    series({
      title: 'Compressed answers',
      about: 'Bytes a second into the compressor and out of it.',
      unit: 'Bps',
      queries: [
        {
          expr: `sum by (direction) (${rate('fermat_compression_bytes_total', ROUTE)})`,
          legend: '{{direction}}',
        },
      ],
    }),
    series({
      title: 'Compressed by coding',
      about: 'Answers compressed a second, and those that were not as they should: busy, error.',
      unit: 'ops',
      queries: [
        { expr: `sum by (coding) (${rate('fermat_compressed_responses_total', ROUTE)})`, legend: '{{coding}}' },
        {
          expr: `sum by (coding, reason) (${rate('fermat_compression_misses_total', ROUTE)})`,
          legend: '{{coding}} {{reason}}',
        },
      ],
    }),
  ],
};

export const SOURCES: Row = {
  title: 'GeoIP, configuration, discovery',
  panels: [
    series({
      title: 'Look-ups of clients',
      about: 'cached, hit, miss (not in the database), error.',
      unit: 'ops',
      stack: 'normal',
      queries: [{ expr: `sum by (result) (${rate('fermat_geoip_lookups_total', NODE)})`, legend: '{{result}}' }],
    }),
    stat({
      title: 'GeoIP database',
      about: 'When the oldest one in use was built. Addresses move: renew it every month.',
      unit: 'dateTimeFromNow',
      height: 8,
      queries: [{ expr: `min(fermat_geoip_database_build_timestamp_seconds{${NODE}}) * 1000`, legend: 'built' }],
    }),
    stat({
      title: 'Configuration',
      about: 'Nodes whose last reload was refused: they go on with the configuration before.',
      unit: 'none',
      height: 8,
      steps: [
        { color: 'green', value: null },
        { color: 'red', value: 1 },
      ],
      queries: [
        {
          expr: `count(fermat_config_last_reload_successful{${NODE}} == 0) or vector(0)`,
          legend: 'nodes with a refused configuration',
        },
      ],
    }),
    series({
      title: 'Reloads',
      about: 'Of the configuration, and whether it was taken.',
      unit: 'short',
      isBars: true,
      queries: [{ expr: `sum by (result) (${count('fermat_config_reloads_total', NODE)})`, legend: '{{result}}' }],
    }),
    series({
      title: 'Names asked for',
      about: 'Questions to name servers about endpoints, and how they ended.',
      unit: 'ops',
      stack: 'normal',
      queries: [{ expr: `sum by (result) (${rate('fermat_dns_queries_total', NODE)})`, legend: '{{result}}' }],
    }),
    series({
      title: 'Endpoints found',
      about: 'How many each source is believed to have.',
      unit: 'short',
      queries: [
        {
          expr: `max by (pool, source) (fermat_discovery_endpoints{${POOL}})`,
          legend: '{{pool}} {{source}}',
        },
      ],
    }),
    series({
      title: 'Sources that fail',
      about: 'Time since each source answered last, and failures a second.',
      unit: 's',
      queries: [
        {
          expr: `time() - min by (pool, source) (fermat_discovery_last_success_timestamp_seconds{${POOL}})`,
          legend: '{{pool}} {{source}} silent for',
        },
        {
          expr: `sum by (pool, source) (${rate('fermat_discovery_errors_total', POOL)})`,
          legend: '{{pool}} {{source}} errors',
        },
      ],
    }),
    series({
      title: 'Directories of places',
      about: 'Keys of where data is that a node holds.',
      unit: 'short',
      queries: [
        { expr: `fermat_locality_keys{${NODE}}`, legend: '{{instance}} {{directory}}' },
        { expr: `fermat_locality_loaded{${NODE}} == 0`, legend: '{{instance}} {{directory}} not loaded' },
      ],
    }),
  ],
};

export const FLEET: Row = {
  title: 'Fleet',
  panels: [
    series({
      title: 'Redis',
      about: '1: it answers. While it does not, nodes go on with what they know.',
      unit: 'none',
      max: 1,
      queries: [{ expr: `fermat_redis_up{${NODE}}`, legend: '{{instance}}' }],
    }),
    series({
      title: 'Redis commands',
      about: 'By how they ended; away and busy: not asked at all.',
      unit: 'ops',
      stack: 'normal',
      queries: [
        {
          expr: `sum by (command, result) (${rate('fermat_redis_commands_total', NODE)})`,
          legend: '{{command}} {{result}}',
        },
      ],
    }),
    series({
      title: 'Redis time (p95)',
      about: 'How long Redis takes to answer, by command.',
      unit: 's',
      queries: [
        { expr: quantile(0.95, 'fermat_redis_command_duration_seconds', NODE, ['command']), legend: '{{command}}' },
      ],
    }),
    series({
      title: 'Redis bytes',
      about: 'On the connections to Redis.',
      unit: 'Bps',
      queries: [{ expr: `sum by (direction) (${rate('fermat_redis_bytes_total', NODE)})`, legend: '{{direction}}' }],
    }),
    series({
      title: 'Nodes heard of',
      about: 'Other nodes whose measurements a node has, and those it keeps rate limits with.',
      unit: 'short',
      queries: [
        { expr: `fermat_share_nodes{${NODE}}`, legend: '{{instance}} share' },
        { expr: `fermat_rate_limit_nodes{${NODE}}`, legend: '{{instance}} limits' },
      ],
    }),
    series({
      title: 'Digests',
      about: 'What nodes tell each other: sent, ok, or why it was not used.',
      unit: 'ops',
      stack: 'normal',
      queries: [{ expr: `sum by (result) (${rate('fermat_share_digests_total', NODE)})`, legend: '{{result}}' }],
    }),
    series({
      title: 'Other edges: round trip',
      about: 'Of ways over them; absent while they do not answer.',
      unit: 's',
      queries: [{ expr: `fermat_overlay_peer_rtt_seconds{${NODE}}`, legend: '{{instance}} → {{peer}}' }],
    }),
    series({
      title: 'Other edges: reachable',
      about: '1: it answers.',
      unit: 'none',
      max: 1,
      queries: [{ expr: `fermat_overlay_peer_reachable{${NODE}}`, legend: '{{instance}} → {{peer}}' }],
    }),
    series({
      title: 'Requests over other edges',
      about: 'ok, failed, or abandoned by the client or for a quicker one.',
      unit: 'reqps',
      stack: 'normal',
      queries: [
        {
          expr: `sum by (peer, result) (${rate('fermat_overlay_requests_total', POOL)})`,
          legend: '{{peer}} {{result}}',
        },
      ],
    }),
    series({
      title: 'Regret (p99)',
      about:
        'What sampled decisions gave away: predicted beyond the best candidate, and realised when an explored request was quicker.',
      unit: 's',
      queries: [{ expr: quantile(0.99, 'fermat_regret_seconds', POOL, ['pool', 'kind']), legend: '{{pool}} {{kind}}' }],
    }),
  ],
};
