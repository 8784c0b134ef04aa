// As a pod has it: the configuration and a certificate in folders that the kubelet brings up to date by swapping the symbolic link
// ..data, and probes and Prometheus that ask the admin listener by the pod's address, with it in Host.

import { mkdirSync, mkdtempSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fermat, startFermat } from '../support/fermat.ts';
import { type Issued, Pki, tlsConnect } from '../support/pki.ts';
import { exchange, get } from '../support/raw.ts';
import { until } from '../support/until.ts';

/** A ConfigMap or Secret as a volume. Source: AtomicWriter of Kubernetes (pkg/volume/util/atomic_writer.go). */
class Volume {
  readonly path: string;
  #version = 0;

  constructor(path: string, files: Readonly<Record<string, string>>) {
    this.path = path;
    mkdirSync(path);
    this.bring(files);
    for (const name of Object.keys(files)) symlinkSync(join('..data', name), join(path, name));
  }

  /** All files at once: a new folder, the link renamed onto the old one, the old folder removed. */
  bring(files: Readonly<Record<string, string>>): void {
    const old = this.#version === 0 ? null : readlinkSync(join(this.path, '..data'));
    const folder = `..2026_11_21_${++this.#version}`;
    mkdirSync(join(this.path, folder));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.path, folder, name), text);
    symlinkSync(folder, join(this.path, '..data_tmp'));
    renameSync(join(this.path, '..data_tmp'), join(this.path, '..data'));
    if (old !== null) rmSync(join(this.path, old), { recursive: true });
  }
}

const pki = new Pki();
const root = mkdtempSync(join(tmpdir(), 'fermat-mounted-'));
let config: Volume;
let secret: Volume;
let endpoints: Volume;
let fermat: Fermat;

const pairOf = ({ certPem, keyPem }: Issued) => ({ 'tls.crt': certPem, 'tls.key': keyPem });
/** Nobody is there: what counts is who is known. An address each, since an id stays as long as its address does. */
const listOf = (id: 'first' | 'second') => ({
  'shop.json': JSON.stringify([{ id, url: `http://127.0.0.${id === 'first' ? 1 : 2}:9` }]),
});
const filesOf = (body: string) => ({
  'fermat.yaml': JSON.stringify({
    node: { id: 'test' },
    workers: 1,
    listeners: [
      { name: 'http', address: '127.0.0.1:0' },
      {
        name: 'https',
        address: '127.0.0.1:0',
        tls: { certificates: [{ cert: '../tls/tls.crt', key: '../tls/tls.key' }] },
      },
    ],
    admin: { address: ':0' },
    pools: { main: { discover: [{ directory: { path: '../endpoints' } }] } },
    routes: [{ respond: { status: 200, body } }, { path: '/main', pool: 'main' }],
    geoip: { databases: ['/none.mmdb'] },
    shutdown: { drainDelay: '0s', timeout: '1s' },
  }),
});

beforeAll(async () => {
  config = new Volume(join(root, 'config'), filesOf('first'));
  secret = new Volume(join(root, 'tls'), pairOf(pki.issue('first')));
  endpoints = new Volume(join(root, 'endpoints'), listOf('first'));
  fermat = await startFermat('', {
    args: ['run', '-c', join(config.path, 'fermat.yaml')],
    env: { FERMAT_ADMIN_TOKEN: 'secret' },
  });
});
afterAll(async () => {
  await fermat?.stop();
  rmSync(root, { recursive: true, force: true });
  pki[Symbol.dispose]();
});

const body = async (): Promise<string> => (await exchange(fermat.port, get('/'))).text;
async function shown(): Promise<string> {
  const socket = await tlsConnect(fermat.ports.https!);
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

async function found(): Promise<string> {
  const headers = { Authorization: 'Bearer secret' };
  const rows = await fermat.json<{ id: string }[]>('/api/v1/endpoints', { headers });
  return rows.map(({ id }) => id).join();
}

describe('volumes of a pod', () => {
  it.each([
    ['configuration', () => config.bring(filesOf('second')), body],
    ['certificate', () => secret.bring(pairOf(pki.issue('second'))), shown],
    ['directory of endpoints', () => endpoints.bring(listOf('second')), found],
  ])('have the %s taken up as the kubelet swaps it, once and again', async (_name, bring, seen) => {
    expect(await seen()).toContain('first');
    bring();
    await until(async () => (await seen()).includes('second'), 'the second version');
    bring();
    expect(await seen()).toContain('second');
  });

  it('keep what runs when a bad configuration is brought, until a good one is', async () => {
    config.bring({ 'fermat.yaml': 'pools: nonsense' });
    await until(async () => (await fermat.metric('fermat_config_last_reload_successful')) === 0, 'the refusal');
    expect(await body()).toBe('second');
    config.bring(filesOf('third'));
    await until(async () => (await body()) === 'third', 'the third version');
    expect(fermat.events.some(({ type }) => type === 'worker.exit')).toBe(false);
  });
});

describe('the admin listener on all addresses of a pod', () => {
  const asked = async (path: string, host: string) =>
    (await exchange(fermat.adminPort, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).status;

  it('answers the kubelet and Prometheus by address or name without a token, and nobody else', async () => {
    for (const host of ['10.42.0.7:9901', '[fd00::7]:9901', 'edge-fermat-admin.edge.svc']) {
      const open = ['/livez', '/readyz', '/metrics'].map((path) => asked(path, host));
      expect([host, ...(await Promise.all(open))]).toEqual([host, 200, 200, 200]);
      expect([host, await asked('/api/v1/node', host)]).toEqual([host, 401]);
    }
  });
});
