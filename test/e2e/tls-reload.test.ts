// Certificates that change while Fermat runs: new handshakes see the new one within a second, a bad one changes nothing and is
// told, connections that are there live on, and a listener may change between plain text and TLS.

import { copyFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, type Fermat, runFermat, simpleConfig, startFermat } from '../support/fermat.ts';
import { Stopwatch } from '../support/lateness.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type Issued, Pki, tlsClient, tlsConnect, tlsListener } from '../support/pki.ts';
import { exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

const SERVED_MS = 1000;
/** For a busy machine with two cores, on top. */
const SLACK_MS = 500;
const pki = new Pki();
let origin: Origin;
let fermat: Fermat;
let site: Issued;
let config: Config;
let address: string;

beforeAll(async () => {
  origin = await startOrigin();
  site = pki.issue('site', { subject: '/CN=first', san: 'DNS:example.com' });
  address = `127.0.0.1:${await freePort()}`;
  config = simpleConfig([origin.url], {}, { listeners: [{ ...tlsListener([site]), address }], workers: 2 });
  fermat = await startFermat(config);
});

afterAll(async () => {
  await fermat?.stop();
  await origin?.refuse();
  pki[Symbol.dispose]();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function shown(): Promise<string> {
  const socket = await tlsConnect(fermat.ports.https!);
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

/** Both workers have been asked. */
async function shownEverywhere(name: string): Promise<boolean> {
  for (let i = 0; i < 8; i++) if ((await shown()) !== name) return false;
  return true;
}

/** Puts a certificate and its key in the place of the site's. */
function replaceBy({ cert, key }: Issued): void {
  copyFileSync(key, site.key);
  copyFileSync(cert, site.cert);
}

describe('a certificate file that changes', () => {
  it('is served to new connections within a second, and those that are there live on', async () => {
    using client = await tlsClient(fermat.ports.https!);
    await client.send(get());
    expect((await client.answer()).status).toBe(200);
    using watch = new Stopwatch();
    replaceBy(pki.issue('second', { san: 'DNS:example.com' }));
    await until(() => shownEverywhere('second'), 'the new certificate');
    expect(watch.ms).toBeLessThan(watch.allowed(SERVED_MS + SLACK_MS));
    await client.send(get());
    expect((await client.answer()).status).toBe(200);
  });

  it('changes nothing when it is bad, and that is told; the next good one is taken', async () => {
    const failed = () => fermat.metric('fermat_config_reloads_total', 'result="failure"');
    const before = await failed();
    const good = pki.issue('third', { san: 'DNS:example.com' });
    writeFileSync(site.cert, good.certPem); // with the old key
    await until(async () => (await failed()) > before, 'the failed reload');
    expect(await fermat.metric('fermat_config_last_reload_successful')).toBe(0);
    const event = fermat.events.findLast(({ type }) => type === 'config.reload');
    expect(event).toMatchObject({ level: 'error' });
    expect(String(event?.message)).toContain(
      'listeners[0].tls.certificates[0].cert: certificate and key do not belong',
    );
    expect(await shownEverywhere('second')).toBe(true);
    writeFileSync(site.cert, 'garbage');
    await until(async () => (await failed()) > before + 1, 'the second failed reload');
    expect(await shownEverywhere('second')).toBe(true);
    replaceBy(good);
    await until(() => shownEverywhere('third'), 'the good certificate');
    expect(await fermat.metric('fermat_config_last_reload_successful')).toBe(1);
  });

  it('is taken with a warning when it has expired', async () => {
    replaceBy(pki.issue('late', { san: 'DNS:example.com', days: -1 }));
    await until(() => shownEverywhere('late'), 'the expired certificate');
    const warning = fermat.events.findLast(({ type }) => type === 'config.warning');
    expect(String(warning?.message)).toMatch(/^certificate .*site\.pem expired on /);
    const { code, stdout } = await runFermat(['validate', '-c', fermat.file, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, warnings: [expect.stringContaining('expired on')] });
  });
});

describe('a listener', () => {
  it('changes between TLS and plain text for new connections, on the same port', async () => {
    const port = fermat.ports.https!;
    using old = await tlsClient(port);
    const reload = async (listener: Record<string, unknown>): Promise<void> => {
      fermat.writeConfig({ ...config, listeners: [{ ...listener, address }] });
      expect(await fermat.json('/api/v1/reload', { method: 'POST' })).toMatchObject({ ok: true });
    };
    replaceBy(pki.issue('fourth', { san: 'DNS:example.com' }));
    await reload(tlsListener([site]));
    await reload({ name: 'https' });
    expect((await exchange(port, get())).status).toBe(200);
    await old.send(get());
    expect((await old.answer()).status).toBe(200);
    await reload(tlsListener([site], { minVersion: '1.3' }));
    expect(await shownEverywhere('fourth')).toBe(true);
    await expect(tlsConnect(port, { maxVersion: 'TLSv1.2' })).rejects.toThrow();
  });
});
