// What the soak runs on: three scripted origins, an application, the real process with two workers, and the traffic of both kinds.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { type Fermat, startFermat } from '../../support/fermat.ts';
import { Pki, tlsListener } from '../../support/pki.ts';
import { exchange, get, rawClient } from '../../support/raw.ts';
import { until, within } from '../../support/until.ts';
import { HALF, PROBE_PATH } from '../behaviour.ts';
import { type Load, type Phase, startLoad } from '../load.ts';
import { type FaultyOrigin, Peer, startFaultyOrigin } from '../origins.ts';
import { pause, WELL } from '../rig.ts';

const CRASH_PATH = '/__crash';
const RATE = 150;
const METHODS = ['GET', 'GET', 'GET', 'GET', 'POST', 'PUT', 'HEAD', 'DELETE'];

export type Tallies = Record<string, { readonly begun: number; readonly ended: number; readonly failed: number }>;

export class SoakRig {
  readonly fermat: Fermat;
  readonly origins: readonly FaultyOrigin[];
  readonly #app: ChildProcess;
  readonly #pki: Pki;
  readonly #configOf: (version: number) => Record<string, unknown>;
  #load: Load | null = null;
  #traffic: Peer | null = null;
  #version = 0;
  crashes = 0;

  private constructor(
    fermat: Fermat,
    origins: readonly FaultyOrigin[],
    app: ChildProcess,
    pki: Pki,
    configOf: (version: number) => Record<string, unknown>,
  ) {
    this.fermat = fermat;
    this.origins = origins;
    this.#app = app;
    this.#pki = pki;
    this.#configOf = configOf;
  }

  static async start(): Promise<SoakRig> {
    const pki = new Pki();
    const site = pki.issue('site', { san: 'DNS:localhost,IP:127.0.0.1' });
    const origins = await Promise.all([startFaultyOrigin(), startFaultyOrigin(), startFaultyOrigin()]);
    await Promise.all(origins.map((origin) => origin.behave(WELL)));
    const [app, appPort] = await startApp();
    const configOf = (version: number) => ({
      workers: 2,
      listeners: [
        { name: 'http', address: '127.0.0.1:0' },
        { ...tlsListener([site]), ...h2Too(site) },
      ],
      pools: {
        main: {
          endpoints: origins.map(({ url }, i) => ({ url, id: `e${i}` })),
          probe: { path: PROBE_PATH, interval: '1s' },
          timeouts: { connect: '1s', firstByte: '3s' },
          outlier: { ejection: '3s', maxEjection: '3s' }, // the next fault finds it in use
        },
        app: { endpoints: [{ url: `http://127.0.0.1:${appPort}`, id: 'app' }] },
      },
      routes: [
        { host: 'app.test', pool: 'app', compress: ['zstd', 'br', 'gzip'] },
        { pool: 'main', serverTiming: true, responseHeaders: { set: { 'X-Version': String(version) } } },
      ],
      logging: { level: 'error' },
    });
    const fermat = await startFermat(configOf(0), { env: { FERMAT_TEST_CRASH_PATH: CRASH_PATH } });
    return new SoakRig(fermat, origins, app, pki, configOf);
  }

  async startTraffic(): Promise<void> {
    const { http, https } = this.fermat.ports;
    this.#load = await startLoad(http!, RATE, { methods: METHODS, freshShare: 0.2 });
    this.#traffic = new Peer(join(import.meta.dirname, 'traffic.ts'));
    await this.#traffic.ask({ do: 'start', ports: { http, https } });
  }

  /** Resolves when nothing is under way. */
  async endTraffic(): Promise<{ readonly plain: Phase; readonly tallies: Tallies }> {
    const tallies = await this.#traffic!.ask<Tallies>({ do: 'end' }, 40_000);
    const plain = await this.#load!.end();
    await this.#traffic!.kill();
    return { plain, tallies };
  }

  async reload(): Promise<void> {
    this.fermat.writeConfig(this.#configOf(++this.#version));
    const { status, text } = await this.fermat.admin('/api/v1/reload', { method: 'POST' });
    if (status !== 200) throw new Error(`reload answered ${status} ${text}`);
  }

  async crash(): Promise<void> {
    this.crashes++;
    const client = await rawClient(this.fermat.port);
    await client.send(get(CRASH_PATH));
    await client.closed().catch(() => {});
    client.destroy();
  }

  /** Two seconds each, and two to get over it. */
  async fault(n: number): Promise<string> {
    const origin = this.origins[(n + Math.floor(n / CYCLE)) % this.origins.length]!;
    const [name, begin, end] = FAULTS[n % FAULTS.length]!;
    await begin(origin, this);
    await pause(2000);
    await end(origin, this);
    await pause(2000);
    return name;
  }

  async stop(): Promise<void> {
    await this.#traffic?.kill();
    await this.fermat.stop().catch(() => this.fermat.kill());
    await Promise.all(this.origins.map((origin) => origin[Symbol.asyncDispose]()));
    this.#app.kill('SIGKILL');
    this.#pki[Symbol.dispose]();
  }

  /** All endpoints are well and answer. */
  async settled(): Promise<void> {
    const view = () => this.fermat.json<{ healthy: boolean }[]>('/api/v1/endpoints');
    await until(async () => (await view()).every(({ healthy }) => healthy), 'healthy endpoints', 60_000);
    await until(async () => (await exchange(this.fermat.port, get())).status === 200, 'an answer', 10_000);
  }
}

type Act = (origin: FaultyOrigin, rig: SoakRig) => unknown;
const nothing: Act = () => {};
const well: Act = (origin) => origin.behave(WELL);

/** In turn. */
const FAULTS: readonly (readonly [name: string, begin: Act, end: Act])[] = [
  ['kill', (origin) => origin.kill(), (origin) => origin.restart()],
  ['reload', (_, rig) => rig.reload(), nothing],
  ['stop', (origin) => origin.stop(), (origin) => origin.resume()],
  ['reset', (origin) => origin.behave({ kind: 'reset' }, WELL), well],
  ['worker killed', (_, rig) => rig.crash(), nothing],
  ['half a body', (origin) => origin.behave({ kind: 'bytes', text: HALF, ending: 'reset' }, WELL), well],
  ['vanish', (origin) => origin.vanish(), (origin) => origin.resume()],
  ['slow', (origin) => origin.behave({ ...WELL, headMs: 200 }), well],
  ['503', (origin) => origin.behave({ ...WELL, status: 503 }, WELL), well],
];

/** All faults once. */
export const CYCLE = FAULTS.length;
export const FAULT_MS = 4000;

function h2Too({ cert, key }: { cert: string; key: string }): Record<string, unknown> {
  return { tls: { certificates: [{ cert, key }], alpn: ['h2', 'http/1.1'] } };
}

async function startApp(): Promise<[ChildProcess, number]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'app.ts')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const line = new Promise<string>((resolve) => child.stdout.once('data', (data: Buffer) => resolve(data.toString())));
  return [child, Number(await within(5000, 'the port of the application', line))];
}
