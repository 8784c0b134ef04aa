// The instruments of bench/load: a latency that leaves out those who would have asked during a stall, or a pause that blames
// the proxy for what the machine took, would flatter or slander everybody in the tables.

import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ratioOf } from '../../bench/load/summary.ts';
import type { Window } from '../../bench/load/windows.ts';
import { coveredMs, longestMs } from '../../bench/support/clock.ts';
import { outputOf } from '../../bench/support/process.ts';
import { steadyLoad } from '../../bench/support/steady.ts';

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const servers: { server: Server; sockets: Set<Socket> }[] = [];

afterEach(async () => {
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** Answers every request through `answer`, which may take its time. */
async function origin(answer: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('data', () => answer(socket));
    socket.on('error', () => socket.destroy());
  });
  servers.push({ server, sockets });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

const terms = { path: '/', connections: 8, rate: 500, warmUpS: 0, seconds: 2, core: null };

describe('load at a constant rate', () => {
  it('counts every request that would have been sent during a stall as late', { timeout: 20_000 }, async () => {
    let startMs = 0;
    const port = await origin((socket) => {
      const nowMs = performance.now();
      if (startMs === 0) startMs = nowMs;
      const sinceMs = nowMs - startMs;
      const stallLeftMs = sinceMs > 500 && sinceMs < 1000 ? 1000 - sinceMs : 0;
      setTimeout(() => socket.write(ANSWER), stallLeftMs);
    });
    const result = await steadyLoad({ ...terms, port });
    // 250 requests were due in those 500 ms; a closed loop would have sent, and called late, one a connection: 8.
    expect(result.requests).toBe(1000);
    expect(result.errors).toBe(0);
    expect(result.p99Us).toBeGreaterThan(400_000);
    expect(result.maxUs).toBeGreaterThan(450_000);
    expect(longestMs(result.silences)).toBeGreaterThan(450);
  });

  it('calls a request whose connection was cut an error, and goes on', { timeout: 20_000 }, async () => {
    let served = 0;
    const port = await origin((socket) => {
      served++;
      if (served === 100) socket.destroy();
      else socket.write(ANSWER);
    });
    const result = await steadyLoad({ ...terms, port });
    expect(result.errors).toBe(1);
    expect(result.requests).toBe(999);
  });

  it('refuses answers that are not what it asked for', { timeout: 20_000 }, async () => {
    const port = await origin((socket) => socket.write('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'));
    await expect(steadyLoad({ ...terms, port })).rejects.toThrow('502 Bad Gateway');
  });
});

describe('spans of time', () => {
  it('are covered once where others overlap, and only within themselves', () => {
    const others = [
      [0, 12],
      [11, 13],
      [11.5, 12.5],
      [18, 30],
      [40, 50],
    ] as const;
    expect(coveredMs([10, 20], others)).toBe(5);
    expect(coveredMs([10, 20], [])).toBe(0);
  });
});

describe('a ratio', () => {
  it('compares windows of the same round, so that a slow spell of the machine cancels out', () => {
    const window = (entrant: string, round: number, cpuMs: number): Window => ({
      entrant,
      round,
      cpuMs,
      requests: 1000,
      seconds: 1,
      bytes: 1e6,
      p50Ms: 1,
      p99Ms: 2,
      errors: 0,
      foreignRatio: 0,
    });
    const theirs = [window('nginx', 0, 10), window('nginx', 1, 40), window('nginx', 2, 11)];
    const mine = [window('fermat', 0, 20), window('fermat', 1, 80), window('fermat', 2, 22)];
    expect(ratioOf(mine, theirs, 'request')).toBe(2);
    expect(ratioOf(mine, [], 'request')).toBeNull();
  });
});

describe('a process under measurement', () => {
  it('ends with the bench that started it, even when that is killed by a signal', { timeout: 20_000 }, async () => {
    const support = new URL('../../bench/support/process.ts', import.meta.url).href;
    const script = `
      import { start } from ${JSON.stringify(support)};
      const running = start(null, 'sleep', ['60']);
      console.log(running.pid);
      setTimeout(() => process.kill(process.pid, 'SIGTERM'), 300);`;
    const { text } = await outputOf(null, process.execPath, ['--input-type=module', '-e', script]);
    const pid = Number(text.trim().split('\n')[0]);
    expect(pid).toBeGreaterThan(0);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});
