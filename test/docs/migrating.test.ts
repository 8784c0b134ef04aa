// The pages about migrating: what they show of nginx, HAProxy and http-proxy is started as it stands, and so is the Fermat
// configuration beside it; both are sent the same requests and have to do the same with them.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { docsPages, fileNameOf, ROOT } from '../support/docs/markdown.ts';
import type { Ask, MigrateInput, Told } from '../support/docs/migrate-stage.ts';
import { Folder, onStage } from '../support/docs/stage.ts';
import { Pki } from '../support/pki.ts';

const TIMEOUT_MS = 180_000;
const ADDRESSES = ['10.1.0.5', '10.1.0.6', '10.2.0.5', '10.2.0.6'];
const MIB = 1024 * 1024;

/** Fields of a request as the origin sees it that both have to send alike. */
const REQUEST_FIELDS = ['host', 'x-forwarded-for', 'x-forwarded-proto', 'x-team', 'cookie', 'content-length'];
const RESPONSE_FIELDS = ['location', 'x-powered-by', 'strict-transport-security', 'content-encoding', 'content-type'];

interface Case {
  readonly page: string;
  /** The old proxy, told to stay in the foreground. */
  readonly command: readonly string[];
  readonly asks: readonly Ask[];
}

const https = { port: 443, tls: true, host: 'shop.example.com' };
const http = { port: 80, host: 'shop.example.com' };

const CASES: readonly Case[] = [
  {
    page: 'docs/migrating-from-nginx.md',
    // As somebody who has no other user to become.
    command: ['nginx', '-p', '.', '-c', 'nginx.conf', '-e', 'stderr', '-g', 'daemon off; user root; pid nginx.pid;'],
    asks: [
      { ...http, path: '/cart?x=1' },
      { ...https, path: '/cart?x=1&y=%20' },
      { ...https, path: '/cart', method: 'POST', bodyBytes: 5000 },
      { ...https, path: '/upload', method: 'POST', bodyBytes: MIB + 1 },
      { ...https, path: '/api/v1/items?page=2', headers: { cookie: 'session=abc' } },
      { ...https, path: '/big', headers: { 'accept-encoding': 'gzip' } },
      { ...https, path: '/healthz' },
      { ...https, path: '/private/x' },
      { ...https, path: '/ws', upgrade: true },
      { ...https, path: '/report/1', times: 8 },
    ],
  },
  {
    page: 'docs/migrating-from-haproxy.md',
    command: ['haproxy', '-db', '-f', 'haproxy.cfg'],
    asks: [
      { ...http, path: '/cart?x=1' },
      { ...https, path: '/cart?x=1&y=%20' },
      { ...https, path: '/cart', method: 'POST', bodyBytes: 5000 },
      { ...https, path: '/big', headers: { 'accept-encoding': 'gzip' } },
      { ...https, path: '/api/v1/items?page=2', headers: { 'x-tenant': 'acme' } },
      { ...https, path: '/api/big', headers: { 'x-tenant': 'acme', 'accept-encoding': 'gzip' } },
      { ...https, host: 'blog.example.com', path: '/' },
      { ...https, path: '/healthz' },
      { ...https, path: '/private/x' },
      { ...https, path: '/ws', upgrade: true },
    ],
  },
  {
    page: 'docs/migrating-from-http-proxy.md',
    command: [join(ROOT, 'node_modules/.bin/node'), 'proxy.js'],
    asks: [
      { ...http, path: '/cart?x=1&y=%20' },
      { ...http, path: '/cart', method: 'POST', bodyBytes: 5000 },
      { ...http, path: '/api/v1/items?page=2' },
      { ...http, path: '/healthz' },
      { ...http, path: '/ws', upgrade: true },
    ],
  },
];

function filesOf(page: string): Map<string, string> {
  const blocks = docsPages().find(({ path }) => path === page)!.blocks;
  return new Map(blocks.flatMap((block) => (fileNameOf(block) === null ? [] : [[fileNameOf(block)!, block.text]])));
}

/** What has to be the same, of each answer. What a proxy says of itself, to a redirect or an error, is its own. */
function comparable({ status, origin, body, headers }: Told): unknown {
  const isOwn = origin === null && status >= 300 && status !== 403;
  const pick = (from: Readonly<Record<string, unknown>>, names: readonly string[]) =>
    Object.fromEntries(names.filter((name) => name in from).map((name) => [name, from[name]]));
  return {
    status,
    body: isOwn ? '' : body,
    headers: isOwn || origin === null ? pick(headers, ['location']) : pick(headers, RESPONSE_FIELDS),
    origin: origin && {
      ...pick(origin, ['pool', 'method', 'url', 'bytes', 'padding']),
      headers: pick(origin.headers as Record<string, unknown>, REQUEST_FIELDS),
    },
  };
}

describe('migrating', () => {
  for (const { page, command, asks } of CASES) {
    it.concurrent(`${page}: Fermat does what it did`, { timeout: TIMEOUT_MS }, async () => {
      using folder = new Folder();
      using pki = new Pki();
      const { certPem, keyPem } = pki.issue('site', { san: 'DNS:shop.example.com,DNS:blog.example.com' });
      const files = filesOf(page);
      for (const [name, text] of files) writeFileSync(join(folder.path, name), text);
      writeFileSync(join(folder.path, 'site.pem'), certPem);
      writeFileSync(join(folder.path, 'site.key'), keyPem);
      writeFileSync(join(folder.path, 'both.pem'), `${certPem}${keyPem}`);
      const input: MigrateInput = {
        folder: folder.path,
        addresses: ADDRESSES,
        origins: ADDRESSES.map((address) => `${address}:8080`),
        proxies: [command, ['fermat', 'run', '-c', 'fermat.yaml']],
        asks,
      };
      const [before, after] = await onStage<[Told[], Told[]]>('migrate-stage.ts', input, TIMEOUT_MS - 10_000);
      expect(after.map(comparable)).toEqual(before.map(comparable));
      expect(before.some(({ origin }) => origin !== null)).toBe(true);
    });
  }
});
