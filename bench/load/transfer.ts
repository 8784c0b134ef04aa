// One large body through the proxy, up or down, counted at the far end (sink.ts), and how much memory that takes.

import { Agent, request } from 'node:http';
import { rssBytes } from '../support/process.ts';

const SAMPLE_EVERY_MS = 50;
const BLOCK = Buffer.alloc(64 * 1024, 'y');

/** Peak of resident memory while `work` runs, over what it was before. */
export async function growth(
  tree: readonly number[],
  work: () => Promise<void>,
): Promise<{ grewBytes: number; seconds: number }> {
  const beforeBytes = rssBytes(tree);
  let peakBytes = beforeBytes;
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, rssBytes(tree));
  }, SAMPLE_EVERY_MS);
  const startMs = performance.now();
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return { grewBytes: peakBytes - beforeBytes, seconds: (performance.now() - startMs) / 1000 };
}

/** Rejects unless every byte arrived. */
export function transfer(port: number, method: 'GET' | 'PUT', length: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const path = method === 'GET' ? `/${length}` : '/';
    const sent = request({ host: '127.0.0.1', port, method, agent: new Agent(), path }, (response) => {
      let received = 0;
      let text = '';
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (method === 'PUT') text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        const counted = method === 'GET' ? received : Number(text);
        if (response.statusCode === 200 && counted === length) resolve();
        else reject(new Error(`${method}: status ${response.statusCode}, ${counted} of ${length} bytes`));
      });
    });
    sent.on('error', reject);
    if (method === 'GET') return void sent.end();
    sent.setHeader('Content-Length', length);
    let left = length;
    const more = () => {
      while (left > 0) {
        left -= BLOCK.length;
        if (!sent.write(BLOCK)) return void sent.once('drain', more);
      }
      sent.end();
    };
    more();
  });
}
