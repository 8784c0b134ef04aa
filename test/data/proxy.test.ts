// What happens to a socket between its PROXY header and whoever serves it.

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { stopReading } from '../../src/data/proxy.ts';
import { delay, until } from '../support/until.ts';

it('a socket that waits is not read on, and holds what was read too far', async () => {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    const onData = (chunk: Buffer): void => {
      stopReading(socket);
      process.nextTick(() => {
        socket.off('data', onData).unshift(chunk.subarray(7));
        accepted.resolve(socket);
      });
    };
    socket.on('data', onData).resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.write('header hello');
  const socket = await accepted.promise;
  client.write(Buffer.alloc(20_000));
  await until(() => client.writableLength === 0, 'the bytes to be sent');
  await delay(100);
  expect([socket.readableLength, socket.bytesRead]).toEqual([5, 12]);
  expect(String(socket.read())).toBe('hello');
  client.destroy();
  socket.destroy();
  server.close();
});
