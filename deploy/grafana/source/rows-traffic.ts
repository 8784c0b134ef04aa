// What a request meets: whether it is answered and how soon, where it goes, and how the endpoints are.

import { bars, type Row, series, stat, table, timeline } from './panel.ts';
import { count, inPool, NODE, orZero, POOL, quantile, ROUTE, rate } from './query.ts';

const GOOD_BAD = (warn: number, bad: number) =>
  [
    { color: 'green', value: null },
    { color: 'yellow', value: warn },
    { color: 'red', value: bad },
  ] as const;

const requests = rate('fermat_requests_total', ROUTE);
const failed = rate('fermat_requests_total', `${ROUTE},code=~"5.."`);

export const OVERVIEW: Row = {
  title: 'Overview',
  panels: [
    stat({
      title: 'Requests',
      about: 'Requests answered a second, on the routes chosen above.',
      unit: 'reqps',
      queries: [{ expr: `sum(${requests})`, legend: 'requests' }],
    }),
    stat({
      title: 'Errors',
      about: 'Share of requests that were answered with 5xx, by endpoints or by Fermat.',
      unit: 'percentunit',
      steps: GOOD_BAD(0.001, 0.01),
      queries: [{ expr: `${orZero(`sum(${failed})`, `sum(${requests})`)} / sum(${requests})`, legend: 'errors' }],
    }),
    stat({
      title: 'p99',
      about: '99 of 100 requests were over within this time, first byte in to last byte out.',
      unit: 's',
      queries: [{ expr: quantile(0.99, 'fermat_request_duration_seconds', ROUTE), legend: 'p99' }],
    }),
    stat({
      title: 'Endpoints in use',
      about: 'Share of the endpoints of the chosen pools that are healthy. Ways over other edges are left out.',
      unit: 'percentunit',
      steps: [
        { color: 'red', value: null },
        { color: 'yellow', value: 0.6 },
        { color: 'green', value: 0.99 },
      ],
      queries: [
        {
          expr: `avg(fermat_endpoint_healthy{${POOL}} unless on (job, instance, pool, endpoint) fermat_endpoint_info{via!="none"})`,
          legend: 'healthy',
        },
      ],
    }),
    stat({
      title: 'Fermat adds (p99)',
      about: 'What Fermat itself takes of a request, 99 of 100 requests at most this.',
      unit: 's',
      steps: GOOD_BAD(0.005, 0.025),
      queries: [{ expr: quantile(0.99, 'fermat_overhead_seconds', NODE), legend: 'overhead' }],
    }),
    stat({
      title: 'Nodes',
      about: 'Nodes that Prometheus hears of, by version.',
      unit: 'none',
      queries: [{ expr: `count by (version) (fermat_build_info{${NODE}})`, legend: '{{version}}' }],
    }),
    series({
      title: 'Requests by route',
      about: 'Requests answered a second. "none": no route matched.',
      unit: 'reqps',
      stack: 'normal',
      queries: [{ expr: `sum by (route) (${requests})`, legend: '{{route}}' }],
    }),
    series({
      title: 'Errors by route',
      about: 'Share of the requests of a route that were answered with 5xx.',
      unit: 'percentunit',
      steps: GOOD_BAD(0.001, 0.01),
      queries: [
        {
          expr: `${orZero(`sum by (route) (${failed})`, `sum by (route) (${requests})`)} / sum by (route) (${requests})`,
          legend: '{{route}}',
        },
      ],
    }),
    series({
      title: 'Answers by status',
      about: 'By code; 499 is a client that went away. Codes that nobody knows are counted by class (5xx).',
      unit: 'reqps',
      stack: 'normal',
      queries: [{ expr: `sum by (code) (${requests})`, legend: '{{code}}' }],
    }),
    series({
      title: 'Time of requests',
      about: 'First byte in to last byte out, over all chosen routes. The dots are traces: click one.',
      unit: 's',
      hasExemplars: true,
      queries: [0.5, 0.95, 0.99].map((q) => ({
        expr: quantile(q, 'fermat_request_duration_seconds', ROUTE),
        legend: `p${q * 100}`,
      })),
    }),
    series({
      title: 'p50, p95, p99 by route',
      about: 'Time of requests by route. The dots are traces.',
      unit: 's',
      hasExemplars: true,
      queries: [0.5, 0.95, 0.99].map((q) => ({
        expr: quantile(q, 'fermat_request_duration_seconds', ROUTE, ['route']),
        legend: `{{route}} p${q * 100}`,
      })),
    }),
    series({
      title: 'Answered by Fermat itself',
      about:
        'No route (404), no endpoint (503), too much (429, 503), too slow (504), not HTTP (400), or as configured.',
      unit: 'reqps',
      stack: 'normal',
      queries: [
        { expr: `sum by (code) (${rate('fermat_requests_total', `${ROUTE},endpoint="none"`)})`, legend: '{{code}}' },
      ],
    }),
  ],
};

const selections = rate('fermat_selections_total', POOL);

export const WHERE: Row = {
  title: 'Where requests go',
  panels: [
    series({
      title: 'Share by endpoint',
      about: 'Of all choices of an endpoint, retries and hedges included.',
      unit: 'ops',
      stack: 'percent',
      queries: [{ expr: `sum by (pool, endpoint) (${selections})`, legend: '{{pool}} {{endpoint}}' }],
    }),
    series({
      title: 'Share by region',
      about: 'The same by the region that the endpoint is in.',
      unit: 'ops',
      stack: 'percent',
      queries: [
        {
          expr: `sum by (region) (${selections} * on (job, instance, pool, endpoint) group_left (region) fermat_endpoint_info{${POOL}})`,
          legend: '{{region}}',
        },
      ],
    }),
    series({
      title: 'Roles',
      about:
        'band: as good as the best · overflow: the next best, since the band was busy · explore: to learn · panic: nobody was healthy · trial: one request to see whether it is back.',
      unit: 'ops',
      stack: 'normal',
      queries: [{ expr: `sum by (role) (${selections})`, legend: '{{role}}' }],
    }),
    series({
      title: 'Moves of home',
      about:
        'The region that most traffic of a pool goes to has changed, and why. Many of them: two regions are equally good, or one flaps.',
      unit: 'short',
      isBars: true,
      queries: [
        {
          expr: `sum by (pool, reason) (${count('fermat_route_switches_total', POOL)})`,
          legend: '{{pool}} {{reason}}',
        },
      ],
    }),
    table(
      {
        title: 'Endpoints in this range',
        about:
          'How often each was chosen and failed in the time shown; how far away it was and what it scored on average.',
        unit: 'short',
        width: 16,
        queries: [
          { expr: `sum by (pool, endpoint) (increase(fermat_selections_total{${POOL}}[$__range]))`, legend: 'Chosen' },
          {
            expr: `sum by (pool, endpoint) (increase(fermat_upstream_failures_total{${POOL}}[$__range]))`,
            legend: 'Failures',
          },
          {
            expr: `avg by (pool, endpoint) (avg_over_time(fermat_endpoint_network_rtt_seconds{${POOL}}[$__range]))`,
            legend: 'RTT',
          },
          {
            expr: `avg by (pool, endpoint) (avg_over_time(fermat_endpoint_score_seconds{${POOL}}[$__range]))`,
            legend: 'Score',
          },
          {
            expr: `avg by (pool, endpoint) (avg_over_time(fermat_endpoint_healthy{${POOL}}[$__range]))`,
            legend: 'Healthy',
          },
        ],
      },
      ['pool', 'endpoint'],
      ['short', 'short', 's', 's', 'percentunit'],
    ),
  ],
};

export const ENDPOINTS: Row = {
  title: 'Endpoints',
  panels: [
    timeline({
      title: 'Health',
      about: 'Green: requests go to it. Red: it fails its probes or its requests, or is drained.',
      unit: 'none',
      width: 24,
      queries: [
        { expr: `min by (pool, endpoint) (fermat_endpoint_healthy{${POOL}})`, legend: '{{pool}} {{endpoint}}' },
      ],
    }),
    series({
      title: 'Round trip',
      about: 'Network term of the score, by the probes and by requests, from each node.',
      unit: 's',
      queries: [{ expr: `fermat_endpoint_network_rtt_seconds{${POOL}}`, legend: '{{instance}} {{endpoint}}' }],
    }),
    series({
      title: 'Score',
      about: 'Expected time of one more request: who has the least gets it. `fermat explain` takes it apart.',
      unit: 's',
      queries: [{ expr: `fermat_endpoint_score_seconds{${POOL}}`, legend: '{{instance}} {{endpoint}}' }],
    }),
    series({
      title: 'In flight',
      about: 'Requests that wait for an answer of the endpoint.',
      unit: 'short',
      queries: [
        { expr: `sum by (pool, endpoint) (fermat_endpoint_inflight{${POOL}})`, legend: '{{pool}} {{endpoint}}' },
      ],
    }),
    series({
      title: 'Time to first byte (p99)',
      about: 'Request sent to first byte of the answer. The dots are traces.',
      unit: 's',
      hasExemplars: true,
      queries: [
        {
          expr: quantile(0.99, 'fermat_upstream_first_byte_seconds', POOL, ['pool', 'endpoint']),
          legend: '{{pool}} {{endpoint}}',
        },
      ],
    }),
    series({
      title: 'Time to connect (p95)',
      about: 'Of new connections, TLS included. Few are new while they are kept alive.',
      unit: 's',
      queries: [
        { expr: quantile(0.95, 'fermat_upstream_connect_seconds', NODE, ['endpoint']), legend: '{{endpoint}}' },
      ],
    }),
    series({
      title: 'Failures',
      about: 'Attempts that count against the endpoint, by what happened and why no connection came about.',
      unit: 'cps',
      stack: 'normal',
      queries: [
        {
          expr: `sum by (endpoint, outcome, reason) (${rate('fermat_upstream_failures_total', POOL)})`,
          legend: '{{endpoint}} {{outcome}} {{reason}}',
        },
      ],
    }),
    series({
      title: 'Probes',
      about: 'Probes a second and how they ended.',
      unit: 'ops',
      stack: 'normal',
      queries: [{ expr: `sum by (result) (${rate('fermat_probes_total', NODE)})`, legend: '{{result}}' }],
    }),
    series({
      title: 'Changes of state',
      about:
        'By the new state and what brought it about: probe, operator, time (an ejection is over), or what its requests met (connect, reset, timeout, status, ratio, success-rate).',
      unit: 'short',
      isBars: true,
      queries: [
        {
          expr: `sum by (endpoint, to, reason) (${inPool(count('fermat_endpoint_state_changes_total', NODE))})`,
          legend: '{{endpoint}} {{to}} ({{reason}})',
        },
      ],
    }),
    bars({
      title: 'Ejections in this range',
      about: 'How often each endpoint was taken out for what its requests met.',
      unit: 'short',
      steps: GOOD_BAD(1, 5),
      queries: [
        {
          expr: `sum by (endpoint) (increase(fermat_endpoint_state_changes_total{${NODE},to="ejected"}[$__range]))`,
          legend: '{{endpoint}}',
        },
      ],
    }),
    stat({
      title: 'Places that are lies',
      about: 'Endpoints that answered faster than light could from where they are said to be: their place is not used.',
      unit: 'none',
      height: 8,
      steps: GOOD_BAD(1, 10),
      queries: [{ expr: `count(fermat_endpoint_location_lies_total{${NODE}}) or vector(0)`, legend: 'endpoints' }],
    }),
  ],
};
