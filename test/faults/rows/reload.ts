// Files that change under the running process: configuration and certificates that are bad.

import { copyFileSync, writeFileSync } from 'node:fs';
import { startFermat } from '../../support/fermat.ts';
import { Pki, tlsConnect, tlsListener } from '../../support/pki.ts';
import { exchange, get, RawClient } from '../../support/raw.ts';
import { until } from '../../support/until.ts';
import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { startLoad } from '../load.ts';
import { startFaultyOrigin } from '../origins.ts';
import { configOf, pause, startRig, WELL } from '../rig.ts';

/** Each is wrong in a way of its own. */
const BROKEN = [
  'routes: [{ pool: nowhere }]\n',
  'listeners: []\nnonsense: 1\n',
  ': : :\n',
  '',
  'pools: { main: { endpoints: [{ url: htp://x }] } }\n',
];

async function badConfig(): Promise<Figure[]> {
  await using rig = await startRig();
  await using load = await startLoad(rig.port, 200, { freshShare: 0.5 });
  await pause(500);
  let refused = 0;
  let told = 0;
  for (const text of BROKEN) {
    rig.fermat.writeConfig(text);
    const answer = await rig.fermat.admin('/api/v1/reload', { method: 'POST' });
    if (answer.status >= 400) refused++;
    if ((await rig.fermat.metric('fermat_config_last_reload_successful')) === 0) told++;
  }
  rig.fermat.writeConfig(configOf(rig.origins));
  const good = await rig.fermat.admin('/api/v1/reload', { method: 'POST' });
  const successful = await rig.fermat.metric('fermat_config_last_reload_successful');
  const all = await load.end();
  return [
    firm('broken configurations', BROKEN.length),
    firm('refused', refused, { atLeast: BROKEN.length }),
    firm('told by fermat_config_last_reload_successful', told, { atLeast: BROKEN.length }),
    firm('a good one taken after them', Number(good.status === 200 && successful === 1), { atLeast: 1 }),
    firm('requests', all.requests),
    firm('lost', all.lost(), { atMost: 0 }),
  ];
}

/** New handshakes with the new certificate, or the old one when the new one is bad. */
async function badCertificate(_: How): Promise<Figure[]> {
  using pki = new Pki();
  const site = pki.issue('site', { subject: '/CN=first', san: 'DNS:example.com' });
  const next = pki.issue('next', { subject: '/CN=second', san: 'DNS:example.com' });
  await using origin = await startFaultyOrigin();
  await origin.behave(WELL);
  await using fermat = await startFermat(configOf([origin], {}, { listeners: [tlsListener([site])] }));
  const port = fermat.ports.https!;
  let handshakes = 0;
  const shown = async () => {
    const socket = await tlsConnect(port);
    handshakes++;
    const name = String(socket.getPeerCertificate().subject.CN);
    socket.destroy();
    return name;
  };
  using old = new RawClient(await tlsConnect(port));
  let kept = 0;
  for (const text of ['not a certificate', '', next.certPem]) {
    writeFileSync(site.cert, text); // the last one does not belong to the key
    const reload = await fermat.admin('/api/v1/reload', { method: 'POST' });
    await pause(300);
    if (reload.status >= 400 && (await shown()) === 'first') kept++;
  }
  copyFileSync(next.key, site.key);
  copyFileSync(next.cert, site.cert);
  const startMs = performance.now();
  await until(async () => (await shown()) === 'second', 'the new certificate', 5000);
  const tookMs = performance.now() - startMs;
  await old.send(get());
  const answer = await old.answer();
  return [
    firm('bad certificates', 3),
    firm('refused, the old one still shown', kept, { atLeast: 3 }),
    timed('new handshakes with a good one after', tookMs / 1000, 's', { atMost: 1 }),
    firm('handshakes, none failed', handshakes),
    firm('answer on a connection from before', answer.status, { atLeast: 200, atMost: 200 }),
  ];
}

/** RSS and requests across reloads under load; the reloads of a minute of somebody's bad day. */
async function reloads({ isQuick }: How): Promise<Figure[]> {
  await using rig = await startRig({ config: { workers: 2 } });
  await using load = await startLoad(rig.port, 500, { freshShare: 0.5 });
  const n = isQuick ? 3 : 10;
  for (let i = 0; i < n; i++) {
    rig.fermat.writeConfig(configOf(rig.origins, {}, { workers: 2, logging: { level: i % 2 ? 'info' : 'warn' } }));
    const { status } = await rig.fermat.admin('/api/v1/reload', { method: 'POST' });
    if (status !== 200) throw new Error(`reload answered ${status}`);
    await pause(300);
  }
  const all = await load.end();
  const last = await exchange(rig.port, get());
  return [
    firm('reloads', n),
    firm('requests', all.requests),
    firm('lost', all.lost(), { atMost: 0 }),
    firm('answer after them', last.status, { atLeast: 200, atMost: 200 }),
    timed('p99', all.quantileMs(0.99), 'ms'),
  ];
}

export const RELOAD: readonly FaultCase[] = [
  {
    table: 'dependency',
    fault: 'config invalid on reload',
    injected: `${BROKEN.length} broken files, one after the other, under 200 requests/s, half of them on new connections`,
    expected: 'all or nothing: refused, the old one goes on, told by answer and metric; 0 lost',
    isShort: true,
    run: badConfig,
  },
  {
    table: 'dependency',
    fault: 'certificate reload bad',
    injected: 'the certificate’s file becomes text, empty, one of another key; then a good pair',
    expected: 'the old one is kept; a good one is shown within 1 s; connections live on',
    isShort: true,
    run: badCertificate,
  },
  {
    table: 'lifecycle',
    fault: 'reload under load',
    injected: '10 reloads under 500 requests/s, half of them on new connections, 2 workers',
    expected: '0 lost',
    isShort: false,
    run: reloads,
  },
];
