// One endpoint probed so often, by the code that the prober and `fermat probe` use.

import { nowMs } from '../../src/clock.ts';
import { Names } from '../../src/control/names.ts';
import { StallWatch } from '../../src/control/probe/limit.ts';
import { Probe } from '../../src/control/probe/probe.ts';
import type { ProbeResult, ProbeSpec } from '../../src/control/types.ts';
import type { EndpointSpec, TlsSpec } from '../../src/core/snapshot.ts';

const SPEC: ProbeSpec = {
  type: 'http',
  service: '',
  method: 'GET',
  path: '/',
  host: null,
  intervalMs: 0,
  timeoutMs: 2000,
  expectStatus: [[200, 399]],
  expectBody: null,
  rise: 1,
  fall: 1,
};
export const NO_TLS: TlsSpec = { ca: null, cert: null, key: null, serverName: null, verify: true };

export interface ProbingOptions {
  readonly scheme?: EndpointSpec['scheme'];
  readonly spec?: Partial<ProbeSpec>;
  readonly tls?: Partial<TlsSpec>;
  readonly count?: number;
  /** Called before each probe, with its number from 0. */
  readonly before?: (count: number) => void | Promise<void>;
}

export async function probe(port: number, options: ProbingOptions = {}): Promise<readonly ProbeResult[]> {
  const { scheme = 'h2c', spec = {}, tls = {}, count = 1, before } = options;
  const to = { scheme, host: '127.0.0.1', port, socketPath: null, authority: `127.0.0.1:${port}` };
  const names = new Names({ clock: nowMs });
  const one = new Probe(to, { ...NO_TLS, ...tls }, { ...SPEC, ...spec }, names, new StallWatch(nowMs), nowMs);
  const results: ProbeResult[] = [];
  try {
    for (let i = 0; i < count; i++) {
      await before?.(i);
      results.push((await one.run())!.result);
    }
  } finally {
    one.stop();
    names.close();
  }
  return results;
}
