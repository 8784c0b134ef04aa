import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ProbeVerbOptions, probeVerb } from '../../src/cli/probe.ts';

let server: Server;
let base: string;
beforeAll(async () => {
  server = createServer((request, response) => response.writeHead(request.url === '/busy' ? 503 : 200).end('ok'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function said(urls: readonly string[], options: ProbeVerbOptions = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await probeVerb(urls, {
    ...options,
    print: (line) => out.push(line),
    complain: (line) => err.push(line),
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

describe('fermat probe', () => {
  test('prints a line for each URL, and exits 0 when all are well', async () => {
    const { code, out } = await said([`${base}/`, `${base}/other?x=1`]);
    expect(code).toBe(0);
    const [head, ...lines] = out.split('\n');
    expect(head).toMatch(/^URL +ADDRESS +DNS +TCP +TLS +FIRST BYTE +STATUS +PLACE +DISTANCE +PRIOR +VERDICT$/);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/\/other\?x=1 +127\.0\.0\.1 .* 200 +unknown +unknown +- +ok$/);
  });

  test('exits 1 when one is not, with the reason as its verdict', async () => {
    const { code, out } = await said([`${base}/`, `${base}/busy`, 'http://127.0.0.1:1/'], { json: true });
    expect(code).toBe(1);
    const reports = JSON.parse(out) as {
      ok: boolean;
      verdict: string;
      connectMs: number | null;
      status: number | null;
    }[];
    expect(reports.map((report) => report.ok)).toEqual([true, false, false]);
    expect(reports[1]).toMatchObject({ status: 503, verdict: 'status 503, expected 200-399' });
    expect(reports[1]!.connectMs).toBeGreaterThan(0);
    expect(reports[2]).toMatchObject({ verdict: 'connect ECONNREFUSED', connectMs: null });
  });

  test('exits 2 for what is no URL of an endpoint, and for a region nobody knows', async () => {
    for (const url of ['127.0.0.1:80', 'ftp://x/', 'http://', '']) {
      expect(await said([url]), url).toMatchObject({ code: 2, err: expect.stringContaining('expected http://') });
    }
    const { code, err } = await said([base], { region: 'aws:moon-1' });
    expect(code).toBe(2);
    expect(err).toContain('unknown region "aws:moon-1"');
  });
});
