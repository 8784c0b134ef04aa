// How a WebSocket is told that its process is going to end, on an exchange that is nothing but its two sides.

import { expect, it } from 'vitest';
import type { Exchange } from '../../src/data/exchange.ts';
import { tunnelFin } from '../../src/data/response.ts';
import { Tunnel } from '../../src/data/tunnel.ts';

it('an endpoint that has been told the client’s last byte is told nothing behind it', () => {
  const toEndpoint: string[] = [];
  const toClient: string[] = [];
  const ex = {
    tunnel: null,
    up: { chunk: () => toEndpoint.push('bytes'), end: () => toEndpoint.push('end'), expectWithin: () => {} },
    down: { chunk: () => toClient.push('bytes') },
    flush: () => {},
    idleMs: 0,
  } as unknown as Exchange;
  ex.tunnel = new Tunnel(ex);
  tunnelFin(ex);
  ex.tunnel.leave();
  expect([toEndpoint, toClient]).toEqual([['end'], ['bytes']]);
});
