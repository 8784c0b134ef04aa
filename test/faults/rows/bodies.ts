// Bodies larger than memory should notice: streamed both ways, and refused early where a limit says so.

import { connect } from 'node:net';
import { exchange, rawClient } from '../../support/raw.ts';
import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { pause, startRig, WELL } from '../rig.ts';

const MIB = 1 << 20;
const PIECE = Buffer.alloc(256 << 10, 'x');
const SAMPLE_MS = 50;
const LIMIT_MIB = 64;

/** Reads an answer to its end and gives the bytes of its body. */
function download(port: number, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    );
    let body = -1;
    socket.on('data', (part: Buffer) => {
      if (body < 0) body = part.length - (part.indexOf('\r\n\r\n') + 4);
      else body += part.length;
      if (body >= bytes) socket.destroy();
    });
    socket.on('close', () => resolve(body));
    socket.on('error', reject);
  });
}

/** Sends a body of so many bytes and gives the status. */
function upload(port: number, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let left = bytes;
    const pour = () => {
      while (left > 0) {
        const piece = left >= PIECE.length ? PIECE : PIECE.subarray(0, left);
        left -= piece.length;
        if (!socket.write(piece)) return;
      }
    };
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\nConnection: close\r\n\r\n`);
      pour();
    });
    socket.on('drain', pour);
    socket.once('data', (head: Buffer) => resolve(Number(head.toString('latin1', 9, 12))));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed without an answer')));
  });
}

async function huge({ isQuick, say }: How): Promise<Figure[]> {
  const bytes = isQuick ? 128 * MIB : 2048 * MIB;
  await using rig = await startRig({ origins: 1 });
  const origin = rig.origins[0]!;
  // Both ways are trodden once, so that the code is there.
  await origin.behave({ ...WELL, bodyBytes: MIB }, WELL);
  await download(rig.port, MIB);
  await upload(rig.port, MIB);
  await pause(500);
  const baseMib = rig.fermat.rssBytes / MIB;
  let peakMib = 0;
  const timer = setInterval(() => {
    peakMib = Math.max(peakMib, rig.fermat.rssBytes / MIB);
  }, SAMPLE_MS);
  await origin.behave({ ...WELL, bodyBytes: bytes }, WELL);
  say('down');
  const startMs = performance.now();
  const down = await download(rig.port, bytes);
  const downS = (performance.now() - startMs) / 1000;
  await origin.behave(WELL);
  say('up');
  const before = (await origin.tally()).bodyBytes;
  const upAtMs = performance.now();
  const status = await upload(rig.port, bytes);
  const upS = (performance.now() - upAtMs) / 1000;
  const up = (await origin.tally()).bodyBytes - before;
  clearInterval(timer);
  return [
    firm('down', down / MIB, { atLeast: bytes / MIB, atMost: bytes / MIB }, 'MiB'),
    firm('up', up / MIB, { atLeast: bytes / MIB, atMost: bytes / MIB }, 'MiB'),
    firm('answer', status, { atLeast: 200, atMost: 200 }),
    timed('RSS before', baseMib, 'MiB'),
    timed('RSS on top, most', peakMib - baseMib, 'MiB', { atMost: LIMIT_MIB }),
    timed('MiB/s down', bytes / MIB / downS, ''),
    timed('MiB/s up', bytes / MIB / upS, ''),
    ...(await overLimit()),
  ];
}

async function overLimit(): Promise<Figure[]> {
  await using rig = await startRig({ origins: 1, config: { limits: { body: '1MiB' } } });
  const head = (framing: string) => `POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`;
  // Refused by its length alone, before a byte of it is sent.
  const declared = await exchange(rig.port, head(`Content-Length: ${2 * MIB}`), 'POST');
  using client = await rawClient(rig.port);
  await client.send(head('Transfer-Encoding: chunked'));
  for (let i = 0; i < 32; i++) await client.send(`10000\r\n${'x'.repeat(1 << 16)}\r\n`);
  const grown = await client.answer('POST');
  return [
    firm('2 MiB declared where 1 MiB is allowed', declared.status, { atLeast: 413, atMost: 413 }),
    firm('2 MiB in chunks', grown.status, { atLeast: 413, atMost: 413 }),
  ];
}

export const BODIES: readonly FaultCase[] = [
  {
    table: 'lifecycle',
    fault: 'huge body',
    injected: '2 GiB down and 2 GiB up through one connection each; then 2 MiB where limits.body is 1MiB',
    expected: 'streamed: RSS grows by less than 64 MiB; over the limit 413, early',
    isShort: false,
    run: huge,
  },
];
