// What pages take for granted, and what is not run again for them: the whole of it, so that no page hides a condition and no
// command goes missing in silence. Everything happens in a network of the page's own, so these are the addresses of the pages.

/** What is there before the first command of a page. */
export interface Stage {
  /** Fermat: `npm start` (the default), one that runs on a file of `files`, or none because the page starts it. */
  readonly node?: 'demo' | 'none' | { readonly config: string };
  /** The node is not ready before the page has done something. */
  readonly isUnready?: boolean;
  /** GETs that the node has answered before the page begins. */
  readonly requests?: number;
  /** HTTP servers that answer everything with their own address. */
  readonly origins?: readonly string[];
  /** A redis-server on port 6379 of every address. */
  readonly redis?: boolean;
  /** Further lines of /etc/hosts, name: address. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Addresses of this machine beside 127.0.0.0/8. */
  readonly addresses?: readonly string[];
  /** Variables of the shell. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files, by name. */
  readonly files?: Readonly<Record<string, string>>;
}

const ORIGINS = ['127.0.0.1:9000', '127.0.0.1:9001'];

/** A node of two regions before ORIGINS; `more` is put behind its route, or is more keys. */
function nodeOf(pool: string, route = '', more = ''): string {
  return `node: { id: edge-1, region: aws:eu-central-1 }
workers: 1
listeners: [{ address: "127.0.0.1:8080" }]
pools:
  ${pool}:
    endpoints:
      - { id: fra-1, url: "http://127.0.0.1:9000", region: aws:eu-central-1 }
      - { id: par-1, url: "http://127.0.0.1:9001", region: gcp:europe-west9 }
routes:
  - pool: ${pool}
    serverTiming: true
${route}${more}`;
}

const SIDECAR: Stage = { node: 'none', origins: ORIGINS };
const SHOP: Stage = { node: { config: 'fermat.yaml' }, origins: ORIGINS, files: { 'fermat.yaml': nodeOf('shop') } };

export const STAGES: Readonly<Record<string, Stage>> = {
  'README.md': SIDECAR,
  'docs/quick-start.md': { node: 'none' },
  'docs/routes.md': { node: 'none' },
  'docs/sidecar.md': SIDECAR,
  'docs/geoip.md': { node: 'none' },
  'docs/dns.md': SHOP,
  'docs/operating.md': SHOP,
  'docs/logs.md': {
    ...SHOP,
    requests: 50,
    files: { 'fermat.yaml': nodeOf('shop', '', 'logging: { access: json, accessLog: { file: access.log } }\n') },
  },
  'docs/routing-decisions.md': {
    ...SHOP,
    requests: 50,
    files: { 'fermat.yaml': nodeOf('shop'), 'other.yaml': nodeOf('shop') },
  },
  'docs/locality.md': {
    node: { config: 'fermat.yaml' },
    isUnready: true,
    origins: ORIGINS,
    redis: true,
    files: {
      'fermat.yaml': nodeOf(
        'app',
        '    locality: { key: "header:X-Tenant" }\n',
        'state: { redis: "redis://127.0.0.1:6379" }\n',
      ),
      'tenants.txt': 'acme aws:eu-central-1\nglobex gcp:europe-west9\n',
      'keys.txt': 'globex\n',
    },
  },
  'docs/discovery.md': {
    node: { config: 'fermat.yaml' },
    isUnready: true,
    addresses: ['10.0.0.7', '10.0.0.8'],
    origins: ['10.0.0.7:8080'],
    hosts: { 'edge-1': '127.0.0.1', 'edge-2': '127.0.0.1' },
    files: {
      'fermat.yaml': `workers: 1
listeners: [{ address: "127.0.0.1:8080" }]
pools: { shop: { discover: [{ registry: { token: the-token-of-the-pool, networks: [10.0.0.0/8] } }] } }
routes: [{ pool: shop }]
admin: { address: "0.0.0.0:9901", token: the-token-of-the-admin-api }
`,
      'server.js':
        "import { createServer } from 'node:http';\ncreateServer((q, r) => r.end('app')).listen(8080, '10.0.0.8');\n",
    },
  },
};

/** Commands that are covered by something else, with what. */
export const ELSEWHERE: readonly { readonly command: RegExp; readonly by: string }[] = [
  { command: /^npm ci(?! && npm start)\b/, by: '.ci/run' },
  { command: /^npm (run )?test\b/, by: '.ci/run' },
  { command: /^npm run (check|format)\b/, by: '.ci/run' },
  { command: /^npm start +# the demo$/, by: 'README.md, which starts it, too' },
  { command: /^npm run (faults|soak)\b/, by: 'test/faults' },
  { command: /^npm run fuzz\b/, by: 'test/wire, whose properties it shares; minutes long' },
  { command: /^npm run bench:(load|micro|route|fleet)\b/, by: 'test/bench and test/route; minutes long' },
  { command: /^fermat geoip update\b/, by: 'test/geoip, with a server of its own; needs the internet' },
];

/** Started, waited for until they are up, and left running for the commands that follow, as in another terminal. */
export const SERVERS =
  /^(bin\/)?fermat (run\b(?!.*--replace)|demo\b|register\b(?!.*--once))|^npm (start|run start)\b|^redis-server\b|^node \S+\.js\b/;
/** Started, waited for until they say something, and ended. */
export const FOLLOWERS = /^(bin\/)?fermat (top\b(?!.*--(once|json))|.*--follow\b)|^curl\b.*(\/events|-\w*N)/;
