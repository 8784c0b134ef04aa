// Endpoints whose TLS fails, in each of the ways it can.

import { Pki } from '../../support/pki.ts';
import { exchange, get } from '../../support/raw.ts';
import type { TlsManner } from '../behaviour.ts';
import { type FaultCase, type Figure, firm, type How, timed } from '../case.ts';
import { startFaultyOrigin } from '../origins.ts';
import { pause, startRig } from '../rig.ts';

const CONNECT_S = 2;
const NAME = 'shop.example';
/** With all down there is one trial a second. */
const TRIAL_MS = 1100;

/** What the endpoint does, and the reason in the metric. */
const MANNERS: readonly (readonly [TlsManner, string])[] = [
  ['expired', 'tls_expired'],
  ['wrongName', 'tls_name'],
  ['plaintext', 'tls_plaintext'],
  ['silent', 'tls_timeout'],
];

async function failures({ isQuick, say }: How): Promise<Figure[]> {
  using pki = new Pki();
  const ca = pki.issue('ca', { subject: '/CN=test CA' });
  const issue = (name: string, san: string, days = 2) => {
    const { certPem, keyPem } = pki.issue(name, { subject: `/CN=${san}`, san: `DNS:${san}`, days, by: ca });
    return { cert: certPem, key: keyPem };
  };
  const certificates = {
    good: issue('good', NAME),
    expired: issue('expired', NAME, -1),
    wrongName: issue('wrong', 'other.example'),
  };
  await using rig = await startRig({
    origins: 1,
    makeOrigin: () => startFaultyOrigin({ certificates }),
    pool: {
      tls: { ca: ca.cert, serverName: NAME },
      timeouts: { connect: `${CONNECT_S}s`, idle: '50ms' },
      probe: { interval: '1h' },
    },
  });
  const origin = rig.origins[0]!;
  const good = await exchange(rig.port, get());
  const { requests } = await origin.tally();
  const figures: Figure[] = [firm('answer with a good certificate', good.status, { atLeast: 200, atMost: 200 })];
  let slowestMs = 0;
  for (const [manner, reason] of MANNERS) {
    say(manner);
    await origin.speakTls(manner);
    await pause(TRIAL_MS); // idle connections have gone, and a trial is due
    let refused = 0;
    const counted = () => rig.fermat.metric('fermat_upstream_failures_total', 'endpoint="e0"', `reason="${reason}"`);
    const before = await counted();
    const times = isQuick ? 1 : 3;
    for (let i = 0; i < times; i++) {
      const startMs = performance.now();
      const answer = await exchange(rig.port, get());
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
      if (answer.status >= 502) refused++;
      await pause(TRIAL_MS);
    }
    figures.push(firm(`${manner}: refused of ${times}`, refused, { atLeast: times }));
    figures.push(firm(`${manner}: counted as ${reason}`, (await counted()) - before, { atLeast: 1 }));
  }
  await origin.speakTls('good');
  await pause(TRIAL_MS);
  const back = await exchange(rig.port, get());
  const tally = await origin.tally();
  return [
    ...figures,
    firm('requests in plain text', tally.plaintext, { atMost: 0 }),
    firm('requests to whom was not verified', tally.requests - requests - (back.status === 200 ? 1 : 0), { atMost: 0 }),
    timed('slowest refusal', slowestMs / 1000, 's', { atMost: CONNECT_S + 0.5 }),
    firm('answer when it is good again', back.status, { atLeast: 200, atMost: 200 }),
  ];
}

export const ENDPOINT_TLS: readonly FaultCase[] = [
  {
    table: 'endpoint',
    fault: 'upstream TLS failure (expired, wrong name, plaintext)',
    injected: `an https endpoint shows an expired certificate, one for another name, speaks plain text, is silent; connect: ${CONNECT_S}s`,
    expected:
      '502 or 504 within the connect time-out, counted; never plain text, nothing sent before it is verified; recovers',
    isShort: false,
    run: failures,
  },
];
