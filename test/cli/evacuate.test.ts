import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import type { Evacuation } from '../../src/control/evacuation/types.ts';
import { BIN } from '../support/fermat.ts';
import { until } from '../support/until.ts';

/** As the node says it. */
const LOADS = JSON.parse('{"now":{"share":1,"requestsPerSecond":10},"then":{"share":1,"requestsPerSecond":10}}');
const PREVIEW: Evacuation = {
  removed: ['a', 'b'],
  decisions: 40,
  sinceIso: null,
  note: null,
  pools: [
    {
      pool: 'shop',
      requestsPerSecond: 10,
      unserved: 0,
      regions: [{ ...LOADS, region: 'aws:eu-central-1', capacity: null }],
      endpoints: [],
    },
  ],
  countries: [],
};

/** What `fermat evacuate --apply` says to a node that drains `a` when `mayDrain` is met, and knows no `b`. */
async function applied(mayDrain: (stdout: string) => boolean, ...flags: string[]) {
  let out = '';
  const asked: string[] = [];
  const server = createServer(async ({ method, url }, response) => {
    asked.push(`${method} ${url}`);
    if (method === 'GET') return void response.end(JSON.stringify(PREVIEW));
    if (!url!.includes('/a/')) {
      return void response.writeHead(404).end('{"error":{"code":"no_such_endpoint","message":"there is no b"}}');
    }
    await until(() => mayDrain(out), 'what would happen', 4000).catch(() => response.destroy());
    response.end('{"ok":true}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const admin = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { ...process.env, FERMAT_CONFIG: '', FERMAT_ADMIN_TOKEN: '', NO_COLOR: '1' };
  const child = spawn(BIN, ['evacuate', 'aws:us-east-1', '--apply', '--admin', admin, ...flags], { env });
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  const [code] = await once(child, 'close');
  server.close();
  return { code, out, err, asked };
}

// It said what would happen when it had happened.
test('evacuate --apply shows what it does before it does it, and names who was not drained', async () => {
  const { code, out, err, asked } = await applied((stdout) => stdout.includes('aws:eu-central-1'));
  expect(asked).toEqual([
    'GET /api/v1/evacuation?region=aws%3Aus-east-1',
    'POST /api/v1/endpoints/a/drain',
    'POST /api/v1/endpoints/b/drain',
  ]);
  expect(out).toMatch(/^without a, b\n[\s\S]*REGION[\s\S]*\n1 of 2 drained; fermat enable ID takes back\n$/);
  expect([code, err]).toEqual([1, 'b: not drained: there is no b\n']);
});

test('evacuate --apply --json is one object, with what failed', async () => {
  const { code, out } = await applied(() => true, '--json');
  expect(JSON.parse(out)).toMatchObject({
    removed: ['a', 'b'],
    applied: true,
    failed: [{ id: 'b', message: 'there is no b' }],
  });
  expect(code).toBe(1);
});
