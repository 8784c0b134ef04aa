// What "1,000 routes" and "300 endpoints" are here. wrk.lua names the same hosts and paths.

/** Ten paths a host: an edge with many routes has both many hosts and several paths under each. */
export const PATHS_PER_HOST = 10;
const HOSTS_PER_NET = 250;

export interface RouteName {
  readonly host: string;
  /** Prefix. */
  readonly path: string;
}

export function routesOf(count: number): RouteName[] {
  return Array.from({ length: count }, (_, i) => ({
    host: `s${Math.floor(i / PATHS_PER_HOST)}.bench.test`,
    path: `/r${i % PATHS_PER_HOST}/`,
  }));
}

/** Addresses of one origin, all loopback, all on one port: 127.0.0.1 alone, or 127.0.1.1, 127.0.1.2, … */
export function endpointHosts(count: number): string[] {
  if (count === 1) return ['127.0.0.1'];
  return Array.from(
    { length: count },
    (_, i) => `127.0.${1 + Math.floor(i / HOSTS_PER_NET)}.${1 + (i % HOSTS_PER_NET)}`,
  );
}
