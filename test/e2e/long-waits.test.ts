// What takes long because it is about long times: half a minute of a slow body, ten seconds of a worker that hangs. Each has a
// process and an origin of its own, and all of them wait beside each other.

import { describe, expect, it } from 'vitest';
import { type Config, type Fermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { h2Client } from '../support/h2.ts';
import { data, postFields } from '../support/h2-frames.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { Pki, tlsClient, tlsListener } from '../support/pki.ts';
import { exchange, get, rawClient } from '../support/raw.ts';
import { delay, until } from '../support/until.ts';

const CRASH = '/__crash';
const TIMEOUT_MS = 120_000;

const config = (origin: Origin, more: Config = {}): Config => simpleConfig([origin.url], {}, { workers: 2, ...more });

async function start(settings: Config): Promise<Fermat> {
  return startFermat(settings, { env: { FERMAT_TEST_CRASH_PATH: CRASH } });
}

async function crash(node: Fermat): Promise<void> {
  using client = await rawClient(node.port);
  await client.send(get(CRASH));
  await client.closed();
}

const events = (node: Fermat, type: string) => node.events.filter((event) => event.type === type);
const failures = (node: Fermat) => node.metric('fermat_upstream_failures_total');

/** Says something every `everyMs` until told to stop. */
function dripping(say: () => void, everyMs: number): Disposable {
  const timer = setInterval(say, everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

describe.concurrent('in its own time', () => {
  it('a body of which a byte comes every now and then is a 408 after half a minute over every protocol, and one that keeps to 100 bytes a second is not', {
    timeout: TIMEOUT_MS,
  }, async () => {
    using pki = new Pki();
    await using origin = await startOrigin();
    origin.script = () => {};
    const certificate = pki.issue('example.com', { san: 'DNS:example.com' });
    await using node = await start(
      simpleConfig(
        [origin.url],
        { retry: { attempts: 0 } },
        {
          listeners: [{ name: 'http', address: '127.0.0.1:0' }, tlsListener([certificate])],
          limits: { bodyTimeout: '20s' },
        },
      ),
    );
    const post = 'POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 100000\r\n\r\n';
    using plain = await rawClient(node.port);
    using secured = await tlsClient(node.ports.https!, { servername: 'example.com' });
    using swift = await rawClient(node.port);
    using h2 = await h2Client(node.port);
    for (const client of [plain, secured, swift]) await client.send(post);
    const stream = h2.start(postFields());
    const startMs = performance.now();
    using _drip = dripping(() => {
      for (const client of [plain, secured]) client.socket.write('x');
      swift.socket.write('x'.repeat(150));
      if (!stream.isOver) h2.send(data(stream.id, 'x'));
    }, 1000);
    const [first, second] = await Promise.all([
      plain.answer('POST', 60_000),
      secured.answer('POST', 60_000),
      h2.over(stream, 60_000),
    ]);
    expect([first.status, second.status, stream.status]).toEqual([408, 408, 408]);
    const tookMs = performance.now() - startMs;
    expect(tookMs).toBeGreaterThan(29_000);
    expect(tookMs).toBeLessThan(40_000);
    await until(
      () => origin.open.filter((connection) => connection.requests.length > 0).length === 1,
      'one upload left',
    );
    expect([swift.isClosed, swift.received]).toEqual([false, 0]);
    for (const client of [plain, secured]) client.destroy();
    expect(await failures(node)).toBe(0);
    swift.destroy();
  });

  it('an endpoint that loses patience with a slow client is not blamed for it, and is for what it does by itself', {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using origin = await startOrigin();
    await using node = await start(simpleConfig([origin.url], { retry: { attempts: 0 } }));
    origin.script = (request) => {
      if (request.target === '/now') request.reset();
      else request.takeBody = () => {};
    };
    using uploading = await rawClient(node.port);
    await uploading.send('POST /body HTTP/1.1\r\nHost: example.com\r\nContent-Length: 100000\r\n\r\n');
    const upload = await origin.nth(1);
    {
      using _drip = dripping(() => uploading.socket.write('x'.repeat(200)), 500);
      await delay(5500);
    }
    upload.reset();
    expect((await uploading.answer('POST')).status).toBe(502);
    expect(await failures(node)).toBe(0);
    using client = await rawClient(node.port);
    await client.send(get('/now'));
    expect((await client.answer()).status).toBe(502);
    await until(async () => (await failures(node)) === 1, 'the blame');
  });

  it('workers that die again and again wait longer and longer, and raise an alarm', {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using origin = await startOrigin();
    await using node = await start(config(origin));
    for (let deaths = 1; deaths <= 6; deaths++) {
      await until(
        async () => {
          await crash(node).catch(() => {}); // nobody listens when both are dead
          return events(node, 'worker.exit').length >= deaths;
        },
        `the end of worker number ${deaths}`,
        30_000,
      );
    }
    const waits = [0, 1].map((worker) =>
      events(node, 'worker.exit')
        .filter((event) => event.worker === worker)
        .map(({ restartInMs }) => restartInMs),
    );
    for (const wait of waits) expect(wait).toEqual([0, 1000, 2000, 4000, 8000].slice(0, wait.length));
    await until(() => events(node, 'worker.loop').length === 1, 'the alarm');
    // A new configuration may be what mends it: nobody who is dead is waited for.
    const startMs = performance.now();
    node.writeConfig(config(origin, { routes: [{ path: '/', respond: { status: 200, body: 'mended' } }] }));
    expect((await node.admin('/api/v1/reload', { method: 'POST' })).status).toBe(200);
    expect(performance.now() - startMs).toBeLessThan(6000); // and a dead one waits for 8 s and more
    const text = async () => (await exchange(node.port, get()).catch(() => null))?.text;
    await until(async () => (await text()) === 'mended', 'the new configuration');
    expect(node.exit).toBeNull();
  });

  it('a worker that hangs is reported and replaced after ten seconds; the other one serves meanwhile', {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using origin = await startOrigin();
    await using node = await start(config(origin));
    using stuck = await rawClient(node.port);
    await stuck.send(get(`${CRASH}?hang`));
    let answered = 0;
    await until(
      async () => {
        // Half of them go to the one that hangs, and wait there.
        const client = await rawClient(node.port);
        await client.send(get());
        await Promise.race([
          client
            .answer()
            .then(() => answered++)
            .catch(() => {}),
          delay(200),
        ]);
        client.destroy();
        return events(node, 'worker.hung').length > 0;
      },
      'the report',
      60_000,
    );
    expect(answered).toBeGreaterThan(5);
    expect(events(node, 'worker.hung')[0]!.message).toContain('has not answered for 10 s');
    await until(() => events(node, 'worker.exit').length === 1, 'its end');
    await until(async () => {
      const answers = await Promise.all(Array.from({ length: 10 }, () => exchange(node.port, get()).catch(() => null)));
      return answers.every((answer) => answer?.status === 200);
    }, 'ten answers in a row');
    expect(node.exit).toBeNull();
  });
});
