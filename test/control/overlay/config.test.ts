import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/control/config/load.ts';
import { redact } from '../../../src/control/config/redact.ts';
import { Pki } from '../../support/pki.ts';

const dir = mkdtempSync(join(tmpdir(), 'fermat-overlay-'));
const pki = new Pki();
const ca = pki.issue('fleet');
const own = pki.issue('edge-a', { san: 'DNS:edge-a', by: ca });
afterAll(() => {
  rmSync(dir, { recursive: true });
  pki[Symbol.dispose]();
});

const SECRET = 'sixteen characters';

function load(overlay: unknown, route: object = {}, pool: object = {}) {
  const file = join(dir, 'fermat.json');
  const config = {
    node: { id: 'edge-a' },
    listeners: [{ address: ':8080', name: 'http' }],
    pools: { shop: { endpoints: [{ url: 'http://10.0.0.1:80', id: 'e0' }], ...pool } },
    routes: [{ pool: 'shop', ...route }],
    overlay,
  };
  writeFileSync(file, JSON.stringify(config));
  return loadConfig(file);
}

function problems(...args: Parameters<typeof load>): string {
  const loaded = load(...args);
  return loaded.ok ? '' : loaded.problems.map((line) => line.slice(line.indexOf(' ') + 1)).join('\n');
}

const tls = { ca: ca.cert, cert: own.cert, key: own.key };
const peer = { id: 'edge-b', url: 'https://10.0.0.2:7443' };

describe('overlay in the configuration', () => {
  it('is what the node works with', () => {
    const loaded = load({ address: ':7443', tls, peers: [{ ...peer, region: 'aws:eu-west-1', costMs: 3 }] });
    expect(loaded).toMatchObject({
      ok: true,
      config: {
        overlay: {
          address: { host: '', port: 7443 },
          peers: [{ id: 'edge-b', scheme: 'https', host: '10.0.0.2', port: 7443, region: 'aws:eu-west-1', costMs: 3 }],
          tls: { ca: ca.certPem, cert: own.certPem, key: own.keyPem },
          secret: null,
          intervalMs: 1000,
          match: 'url',
        },
      },
    });
  });

  it('does not show its secret', () => {
    const loaded = load({ address: ':7443', secret: SECRET, otherSecret: `other ${SECRET}` });
    expect(loaded.ok && JSON.stringify(redact(loaded.config))).not.toContain(SECRET);
    expect(problems({ address: ':7443', secret: 'short' })).toContain('overlay.secret: too short');
    expect(problems({ address: ':7443', secret: 'short' })).not.toContain('"short"');
  });

  it.each([
    [
      'a secret that signs nothing',
      { address: ':7443', tls, otherSecret: SECRET },
      'overlay.otherSecret: nothing to be signed with',
    ],
    ['neither TLS nor a secret', { address: ':7443' }, 'overlay: nobody could tell a peer from a stranger'],
    ['this node as its own peer', { address: ':7443', tls, peers: [{ ...peer, id: 'edge-a' }] }, 'this node itself'],
    ['a peer twice', { address: ':7443', tls, peers: [peer, peer] }, 'overlay.peers[1].id: peer id used twice'],
    [
      'a plain peer beside TLS',
      { address: ':7443', tls, peers: [{ ...peer, url: 'http://a:1' }] },
      'though edges speak TLS',
    ],
    [
      'a TLS peer without TLS',
      { address: ':7443', secret: SECRET, peers: [peer] },
      'of which overlay.tls says nothing',
    ],
    [
      'a path behind the URL',
      { address: ':7443', tls, peers: [{ ...peer, url: 'https://a:1/x' }] },
      'not the address of an edge',
    ],
    ['the address of a listener', { address: ':8080', tls }, 'overlay.address: address of a listener for clients'],
    [
      'another’s certificate',
      { address: ':7443', tls: { ...tls, ...issued('edge-c') } },
      'do not hold the id of this node',
    ],
    [
      'a key of another certificate',
      { address: ':7443', tls: { ...tls, key: ca.key } },
      'overlay.tls.cert: certificate and key',
    ],
    ['no file', { address: ':7443', tls: { ...tls, ca: '/nowhere' } }, 'overlay.tls.ca: cannot be read'],
  ])('refuses %s', (_, overlay, what) => {
    expect(problems(overlay)).toContain(what);
  });

  it.each([
    ['without other edges', null, { overlay: 'fastest' }, {}, 'no other edge is known'],
    [
      'of redirects',
      { address: ':7443', tls },
      { overlay: 'fastest', mode: 'redirect' },
      {},
      'go to the endpoint themselves',
    ],
    [
      'by time where the policy knows no time',
      { address: ':7443', tls },
      { overlay: 'fastest' },
      { balance: { policy: 'round-robin' } },
      'policy round-robin does not go by time',
    ],
  ])('refuses routes over edges %s', (_, overlay, route, pool, what) => {
    expect(problems(overlay, route, pool)).toContain(what);
  });

  it('lets any policy fall back on other edges', () => {
    expect(problems({ address: ':7443', tls }, { overlay: 'failover' }, { balance: { policy: 'round-robin' } })).toBe(
      '',
    );
  });
});

function issued(id: string): { cert: string; key: string } {
  const { cert, key } = pki.issue(id, { san: `DNS:${id}`, by: ca });
  return { cert, key };
}
