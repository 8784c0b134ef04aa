// What queries of the dashboard have in common: whose series they ask for, and over which time.

/** Nodes that are chosen at the top of the dashboard. */
export const NODE = 'job=~"$job",instance=~"$instance"';
export const POOL = `${NODE},pool=~"$pool"`;
export const ROUTE = `${NODE},route=~"$route"`;

export const rate = (name: string, labels: string): string => `rate(${name}{${labels}}[$__rate_interval])`;
/** Events of the last while, as a number of them. */
export const count = (name: string, labels: string): string => `increase(${name}{${labels}}[$__rate_interval])`;

/** A quantile of a histogram, by some of its labels. */
export function quantile(q: number, name: string, labels: string, by: readonly string[] = []): string {
  return `histogram_quantile(${q}, sum by (${['le', ...by].join(', ')}) (${rate(`${name}_bucket`, labels)}))`;
}

/** 0 where there is nothing: a ratio of no errors is 0 and not missing. */
export const orZero = (expr: string, of: string): string => `(${expr} or 0 * ${of})`;

/** What has no label `pool` of its own, kept where its endpoint is in one of the chosen pools. */
export const inPool = (expr: string): string =>
  `${expr} and on (job, instance, endpoint) fermat_endpoint_info{${POOL}}`;
