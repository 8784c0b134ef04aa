// What `proxyProtocol` asks of a listener and of a pool, which their own forms cannot say. Like check.ts it works on the tree as
// it was read, and passes over what has the wrong shape.

import type { Problem } from './problems.ts';

type Tree = Readonly<Record<string, unknown>>;

/** `isAnyoneTrusted`: trustedProxies names somebody. */
export function proxyProblems(listeners: readonly Tree[], pools: Tree, isAnyoneTrusted: boolean): Problem[] {
  const problems: Problem[] = [];
  listeners.forEach(({ address, proxyProtocol }, i) => {
    if (proxyProtocol !== 'required' && proxyProtocol !== 'optional') return;
    const path = ['listeners', i, 'proxyProtocol'];
    if (typeof address === 'string' && address.startsWith('unix:')) {
      problems.push({ path, what: 'who connects to a UNIX socket has no address to trust', expected: 'off' });
    } else if (!isAnyoneTrusted) {
      problems.push({ path, what: 'nobody is trusted to send a PROXY header', expected: 'off, or trustedProxies' });
    }
  });
  for (const [name, pool] of Object.entries(pools)) {
    const { proxyProtocol, endpoints } = (pool ?? {}) as Tree;
    if ((proxyProtocol !== 'v1' && proxyProtocol !== 'v2') || !Array.isArray(endpoints)) continue;
    endpoints.forEach((endpoint: Tree | null, i) => {
      const url = endpoint?.url;
      if (typeof url !== 'string' || !/^h2c?:/i.test(url)) return;
      const path = ['pools', name, 'endpoints', i, 'url'];
      problems.push({
        path,
        what: 'HTTP/2 carries many clients, a PROXY header names one',
        expected: 'http, https or unix',
      });
    });
  }
  return problems;
}
