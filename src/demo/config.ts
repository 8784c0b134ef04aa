// The configuration that the demo hands to the real proxy, as text: an ordinary file that a person may read and copy.

import { stringify } from 'yaml';
import { endpointIdOf, type OriginPlan } from './plan.ts';

export interface ConfigInput {
  readonly edge: string;
  readonly port: number;
  readonly adminPort: number;
  readonly plans: readonly OriginPlan[];
  readonly ports: Readonly<Record<string, number>>;
}

/** YAML of the demo's proxy. Loopback only. */
export function configOf({ edge, port, adminPort, plans, ports }: ConfigInput): string {
  return stringify({
    node: { id: 'demo', region: edge },
    workers: 2,
    listeners: [{ name: 'http', address: `127.0.0.1:${port}` }],
    // The traffic comes from loopback and says in X-Forwarded-For whose it is.
    trustedProxies: ['127.0.0.0/8'],
    pools: {
      demo: {
        endpoints: plans.map(({ region }) => ({
          id: endpointIdOf(region),
          url: `http://127.0.0.1:${ports[region]}`,
          region,
        })),
        probe: { type: 'http', path: '/', interval: '1s', timeout: '1s' },
      },
    },
    routes: [{ name: 'demo', pool: 'demo', serverTiming: true }],
    admin: { address: `127.0.0.1:${adminPort}` },
    // A demo that is asked to stop has nobody to be polite to.
    shutdown: { drainDelay: '0s', timeout: '2s' },
  });
}
