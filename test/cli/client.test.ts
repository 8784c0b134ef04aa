import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { AdminClient } from '../../src/cli/client.ts';
import { follow } from '../../src/cli/events/follow.ts';
import { CliError, EXIT } from '../../src/cli/exit.ts';
import type { FermatEvent } from '../../src/control/types.ts';
import { until } from '../support/until.ts';

/** A client of a node that answers so. */
async function clientOf(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = await AdminClient.open({ admin: `127.0.0.1:${(server.address() as AddressInfo).port}` }, {});
  return {
    client,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const eventOf = (at: string, message: string): FermatEvent => ({ at, level: 'info', type: 'test', message });
const frameOf = (event: FermatEvent) => `data: ${JSON.stringify(event)}\n\n`;

// node:readline takes U+2028 for the end of a line: the event was half an event, the stream was given up, and the node told
// the same event again to whoever came back, for ever.
test('a stream is read by its own line ends, wherever it is split', async () => {
  const told = ['one\u2028two', 'three\u2029four', 'fünf\u0085'];
  await using node = await clientOf((_, response) => {
    const bytes = Buffer.from(told.map((message) => frameOf(eventOf('2026', message))).join(''));
    const next = (at: number): void => {
      if (at >= bytes.length) response.end();
      else response.write(bytes.subarray(at, at + 7), () => next(at + 7));
    };
    next(0);
  });
  const got: string[] = [];
  await node.client.stream('/', new AbortController().signal, (data) => got.push(JSON.parse(data).message));
  expect(got).toEqual(told);
});

// What had happened before the last event was taken for old: nothing more was shown for as long as the clock had gone back.
test('events are followed also when the clock of the node goes back, each told once', async () => {
  const [past, ...next] = ['12:00:00.000', '12:00:00.001', '11:00:00.000', '11:00:00.001'].map((time) =>
    eventOf(`2026-11-21T${time}Z`, time),
  );
  await using node = await clientOf((_, response) => {
    response.end([past!, ...next].map(frameOf).join(''));
  });
  const stop = new AbortController();
  const got: string[] = [];
  let isLost = false;
  const done = follow(node.client, stop.signal, {
    past: [past!],
    onEvent: ({ message }) => got.push(message),
    onLost: () => {
      isLost = true;
    },
  });
  await until(() => got.includes('11:00:00.001'), 'the last event');
  stop.abort();
  await done;
  expect([got, isLost]).toEqual([next.map(({ message }) => message), false]);
});

// A secret that was read with its line end came out as a stack of node:http.
test.each([
  'sesame\n',
  'käse',
  '日本',
  'two words',
])('a token that is none is bad usage, and is not shown: %j', async (token) => {
  for (const [flags, env] of [
    [{ token }, {}],
    [{}, { FERMAT_ADMIN_TOKEN: token }],
  ]) {
    const refused = await AdminClient.open({ admin: '127.0.0.1:1', ...flags }, env!).catch((error) => error);
    expect(refused).toBeInstanceOf(CliError);
    expect(refused.code).toBe(EXIT.USAGE);
    expect(refused.message).toMatch(/^--token or FERMAT_ADMIN_TOKEN: expected visible ASCII characters$/);
  }
});
