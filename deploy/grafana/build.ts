// Writes fermat.json, the dashboard:  node deploy/grafana/build.ts
// The panels are source/rows-*.ts; a test fails when the file is not what this makes of them.

import { writeFileSync } from 'node:fs';
import { DATASOURCE, laidOut } from './source/panel.ts';
import { NODE } from './source/query.ts';
import { CONNECTIONS, FLEET, ITSELF, LIMITS, SOURCES } from './source/rows-node.ts';
import { ENDPOINTS, OVERVIEW, WHERE } from './source/rows-traffic.ts';

/** A choice at the top of the dashboard, of the values of a label. */
function variable(name: string, label: string, query: string): Record<string, unknown> {
  return {
    name,
    label,
    type: 'query',
    datasource: DATASOURCE,
    definition: query,
    query: { query, refId: `variable-${name}` },
    refresh: 2,
    regex: '',
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { selected: true, text: ['All'], value: ['$__all'] },
    hide: 0,
    options: [],
    skipUrlSync: false,
  };
}

/** Vertical lines with a word. */
function annotation(name: string, color: string, expr: string, text: string): Record<string, unknown> {
  return {
    name,
    datasource: DATASOURCE,
    enable: true,
    hide: false,
    iconColor: color,
    expr,
    step: '15s',
    titleFormat: name,
    textFormat: text,
    target: { refId: name, expr },
  };
}

export function dashboard(): Record<string, unknown> {
  return {
    uid: 'fermat-edge',
    title: 'Fermat',
    description:
      'Requests, where they go and why, endpoints, and Fermat itself. docs/metrics.md says what each metric means.',
    tags: ['fermat', 'proxy'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    fiscalYearStartMonth: 0,
    liveNow: false,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timepicker: {},
    timezone: 'browser',
    weekStart: '',
    links: [],
    annotations: {
      list: [
        {
          builtIn: 1,
          name: 'Annotations & Alerts',
          datasource: { type: 'grafana', uid: '-- Grafana --' },
          enable: true,
          hide: true,
          iconColor: 'rgba(0, 211, 255, 1)',
          type: 'dashboard',
        },
        annotation(
          'Reloads',
          'blue',
          `sum by (instance, result) (increase(fermat_config_reloads_total{${NODE}}[1m])) > 0`,
          '{{instance}}: configuration, {{result}}',
        ),
        annotation(
          'Ejections',
          'orange',
          `sum by (instance, endpoint) (increase(fermat_endpoint_state_changes_total{${NODE},to="ejected"}[1m])) > 0`,
          '{{instance}}: {{endpoint}} ejected',
        ),
      ],
    },
    templating: {
      list: [
        {
          name: 'datasource',
          label: 'Data source',
          type: 'datasource',
          query: 'prometheus',
          regex: '',
          multi: false,
          includeAll: false,
          current: {},
          refresh: 1,
          hide: 0,
          options: [],
          skipUrlSync: false,
        },
        variable('job', 'Job', 'label_values(fermat_build_info, job)'),
        variable('instance', 'Node', 'label_values(fermat_build_info{job=~"$job"}, instance)'),
        variable('pool', 'Pool', `label_values(fermat_endpoint_healthy{${NODE}}, pool)`),
        variable('route', 'Route', `label_values(fermat_requests_total{${NODE}}, route)`),
      ],
    },
    panels: laidOut([OVERVIEW, WHERE, ENDPOINTS, ITSELF, LIMITS, CONNECTIONS, SOURCES, FLEET]),
  };
}

export function dashboardText(): string {
  return `${JSON.stringify(dashboard(), null, 2)}\n`;
}

if (import.meta.main) writeFileSync(new URL('fermat.json', import.meta.url), dashboardText());
