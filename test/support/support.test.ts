import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startOrigin } from './origin.ts';
import { get, rawClient } from './raw.ts';

/** The helpers against Node's own client and server: what they get wrong, the whole suite would. */
describe('raw client', () => {
  it('reads lengths, chunks with trailers, HEAD, interim answers and pipelined answers of a node:http server', async () => {
    const server = createServer((req, res) => {
      if (req.url === '/early') res.writeEarlyHints({ link: '</a>; rel=preload' });
      if (req.url === '/chunked') {
        res.setHeader('trailer', 'x-sum');
        res.write('one');
        res.addTrailers({ 'x-sum': '7' });
        res.end('two');
      } else res.end('hello');
    }).listen(0, '127.0.0.1');
    await new Promise((done) => server.once('listening', done));
    using client = await rawClient((server.address() as AddressInfo).port);
    await client.send(get('/') + get('/chunked') + get('/').replace('GET', 'HEAD') + get('/early'), 7);
    expect((await client.answer()).text).toBe('hello');
    const chunked = await client.answer();
    expect([chunked.text, chunked.framing, chunked.trailers]).toEqual(['onetwo', 'chunked', [['x-sum', '7']]]);
    expect((await client.answer('HEAD')).text).toBe('');
    const early = await client.answer();
    expect([early.interims.length, early.status]).toEqual([1, 200]);
    server.closeAllConnections();
    server.close();
    expect(await client.closed()).toBe('end');
  });
});

describe('origin', () => {
  it('hands requests of node:http to the script, bodies and trailers with them, and refuses when told to', async () => {
    await using origin = await startOrigin(async (asked) => asked.answer(201, await asked.whole()));
    const answer = await new Promise<string>((resolve, reject) => {
      const out = request({ port: origin.port, host: '127.0.0.1', method: 'POST', path: '/x' }, (res) => {
        let text = String(res.statusCode);
        res.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        res.on('end', () => resolve(text));
      });
      out.on('error', reject);
      out.setHeader('trailer', 'x-t');
      out.write('a');
      out.addTrailers({ 'x-t': '1' });
      out.end('b');
    });
    expect(answer).toBe('201ab');
    expect(origin.request.trailers).toEqual([['x-t', '1']]);
    expect(origin.faults).toEqual([]);
    await origin.refuse();
    await expect(rawClient(origin.port)).rejects.toThrow('ECONNREFUSED');
    await origin.listen();
    using again = await rawClient(origin.port);
    await again.send('GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n');
    await again.closed();
    expect(origin.faults[0]).toContain('two framings');
  });
});
