// What `proxyProtocol` asks of the rest of the file.

import { expect, it } from 'vitest';
import { pathText } from '../../../src/control/config/problems.ts';
import { proxyProblems } from '../../../src/control/config/proxied.ts';

const told = (...of: Parameters<typeof proxyProblems>): string[] =>
  proxyProblems(...of).map(({ path, what }) => `${pathText(path)}: ${what}`);

it('wants somebody trusted where a header is required or may come', () => {
  const listeners = [{}, { proxyProtocol: 'off' }, { proxyProtocol: 'required' }, { proxyProtocol: 'optional' }];
  expect(told(listeners, {}, true)).toEqual([]);
  expect(told(listeners, {}, false)).toEqual([
    'listeners[2].proxyProtocol: nobody is trusted to send a PROXY header',
    'listeners[3].proxyProtocol: nobody is trusted to send a PROXY header',
  ]);
});

it('wants no header on a UNIX socket, whose peers cannot be told apart', () => {
  expect(told([{ address: 'unix:/run/a', proxyProtocol: 'optional' }, { address: 'unix:/run/b' }], {}, true)).toEqual([
    'listeners[0].proxyProtocol: who connects to a UNIX socket has no address to trust',
  ]);
});

it('wants no header on connections that clients share', () => {
  const endpoints = [{ url: 'http://a' }, { url: 'h2c://a' }, { url: 'H2://a' }, { url: 'unix:/h2' }, {}, null];
  const pools = { named: { proxyProtocol: 'v2', endpoints }, plain: { endpoints }, none: null };
  expect(told([], pools, false)).toEqual([
    'pools.named.endpoints[1].url: HTTP/2 carries many clients, a PROXY header names one',
    'pools.named.endpoints[2].url: HTTP/2 carries many clients, a PROXY header names one',
  ]);
});
