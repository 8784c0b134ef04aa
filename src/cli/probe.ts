// The verb `fermat probe URL …`: what the prober would see of an endpoint, once, with the place that GeoIP gives its address
// and what distance makes one expect. Needs no running proxy and no configuration.

import { bundledFiles, loadGeoFile } from '../../geoip/load.ts';
import { type GeoReader, openGeo, type Place } from '../../geoip/reader.ts';
import { findRegion } from '../../geoip/regions.ts';
import { nowMs } from '../clock.ts';
import { Names } from '../control/names.ts';
import type { Address } from '../control/probe/dial.ts';
import { StallWatch } from '../control/probe/limit.ts';
import { Probe, type Probed } from '../control/probe/probe.ts';
import type { ProbeSpec } from '../control/types.ts';
import { boundMs, distanceKm, priorMs } from '../core/geo.ts';
import { compileCidrs } from '../core/ip.ts';
import type { TlsSpec } from '../core/snapshot.ts';
import { type Column, roomOf, tableOf } from './table.ts';

export interface ProbeVerbOptions {
  /** One JSON array on stdout instead of a table. */
  readonly json?: boolean | undefined;
  /** Where this is, `aws:eu-central-1`; without it no distance is known. */
  readonly region?: string | undefined;
  /** .mmdb files; absent or [] = the bundled ones. */
  readonly databases?: readonly string[] | undefined;
  /** false: certificates are not verified. */
  readonly verify?: boolean | undefined;
  /** Asks the health service of gRPC about this service ('' = the server as a whole) instead of making a request. */
  readonly grpc?: string | undefined;
  /** For one probe, ms; default 5000. */
  readonly timeoutMs?: number | undefined;
  /** Where results and complaints go, a line at a time; stdout and stderr by default. */
  readonly print?: ((line: string) => void) | undefined;
  readonly complain?: ((line: string) => void) | undefined;
}

interface Target {
  readonly url: string;
  readonly to: Address;
  readonly path: string;
}

interface ProbeReport {
  readonly url: string;
  readonly ok: boolean;
  readonly address: string | null;
  readonly dnsMs: number | null;
  readonly connectMs: number | null;
  readonly tlsMs: number | null;
  /** Warm where the endpoint keeps connections. */
  readonly firstByteMs: number | null;
  readonly status: number | null;
  readonly error: string | null;
  readonly place: Place | null;
  readonly distanceKm: number | null;
  readonly priorMs: number | null;
  readonly verdict: string;
}

/** The first is cold; the others ask over its connection. Three, for the location check of the score wants as many. */
const PROBES = 3;
const TIMEOUT_MS = 5000;
const NO_TLS: TlsSpec = { ca: null, cert: null, key: null, serverName: null, verify: true };
/** Addresses no database knows: not worth reading 130 MB for. */
const UNPLACED = compileCidrs([
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1',
  'fc00::/7',
  'fe80::/10',
]);

/** Exit code: 0 all answered as expected, 1 not all, 2 bad usage. Never rejects. */
export async function probeVerb(urls: readonly string[], options: ProbeVerbOptions = {}): Promise<number> {
  const print = options.print ?? ((line: string) => void process.stdout.write(`${line}\n`));
  const complain = options.complain ?? ((line: string) => void process.stderr.write(`${line}\n`));
  const targets: Target[] = [];
  for (const url of urls) {
    const target = targetOf(url);
    if (target === null)
      complain(`probe: expected http://, https://, h2://, h2c:// or unix:/path, got ${JSON.stringify(url)}`);
    else if (options.grpc !== undefined && !target.to.scheme.startsWith('h2')) {
      complain(`probe: expected h2:// or h2c:// for gRPC, got ${JSON.stringify(url)}`);
    } else targets.push(target);
  }
  if (Buffer.byteLength(options.grpc ?? '') > 127) {
    complain('probe: expected the name of a service of at most 127 bytes');
    return 2;
  }
  const region = options.region === undefined ? null : findRegion(options.region);
  if (options.region !== undefined && region === null) {
    complain(`probe: unknown region ${JSON.stringify(options.region)}, expected one like aws:eu-central-1`);
    return 2;
  }
  if (targets.length === 0 || targets.length < urls.length) return 2;

  const measured = await Promise.all(targets.map((target) => measure(target, options)));
  const geo = await readerFor(measured, options, complain);
  const reports = targets.map((target, i) => reportOf(target.url, measured[i]!, geo, region));
  if (options.json === true) print(JSON.stringify(reports));
  else for (const line of tableOf(COLUMNS, reports, roomOf())) print(line);
  return reports.every((report) => report.ok) ? 0 : 1;
}

/** null when it is no URL of an endpoint. */
function targetOf(url: string): Target | null {
  if (url.startsWith('unix:/')) {
    const to: Address = { scheme: 'http', host: '', port: 0, socketPath: url.slice(5), authority: 'localhost' };
    return { url, to, path: '/' };
  }
  const match = /^(https?|h2c?):\/\//.exec(url);
  if (match === null) return null;
  const scheme = match[1] as Address['scheme'];
  const isSecure = scheme === 'https' || scheme === 'h2';
  // URL knows the rules of special schemes only; h2 and h2c follow those of https and http.
  const web = URL.parse(`${isSecure ? 'https' : 'http'}${url.slice(scheme.length)}`);
  if (web === null || web.hostname === '') return null;
  const host = web.hostname.replace(/^\[|\]$/g, '');
  const port = web.port === '' ? (isSecure ? 443 : 80) : Number(web.port);
  return {
    url,
    to: { scheme, host, port, socketPath: null, authority: web.host },
    path: `${web.pathname}${web.search}`,
  };
}

async function measure({ to, path }: Target, options: ProbeVerbOptions): Promise<readonly Probed[]> {
  const spec: ProbeSpec = {
    type: options.grpc === undefined ? 'http' : 'grpc',
    service: options.grpc ?? '',
    method: 'GET',
    path,
    host: null,
    intervalMs: 0,
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    expectStatus: [[200, 399]],
    expectBody: null,
    rise: 1,
    fall: 1,
  };
  const names = new Names({ clock: nowMs });
  const tls = { ...NO_TLS, verify: options.verify ?? true };
  const probe = new Probe(to, tls, spec, names, new StallWatch(nowMs), nowMs);
  const probed: Probed[] = [];
  try {
    for (let i = 0; i < PROBES; i++) {
      const one = await probe.run();
      if (one === null) break;
      probed.push(one);
      // What failed once is told; asking a dead endpoint thrice would be three time-outs.
      if (!one.result.ok) break;
    }
  } finally {
    probe.stop();
    names.close();
  }
  return probed;
}

async function readerFor(
  measured: readonly (readonly Probed[])[],
  options: ProbeVerbOptions,
  complain: (line: string) => void,
): Promise<GeoReader> {
  const addresses = measured.flat().flatMap((probed) => probed.address ?? []);
  if (!addresses.some((address) => !UNPLACED.has(address))) return openGeo([]);
  const given = options.databases ?? [];
  const loaded = await Promise.allSettled((given.length > 0 ? given : bundledFiles()).map(loadGeoFile));
  for (const one of loaded) if (one.status === 'rejected') complain(`probe: ${String(one.reason?.message)}`);
  return openGeo(loaded.flatMap((one) => (one.status === 'fulfilled' ? one.value.file : [])));
}

function reportOf(
  url: string,
  probed: readonly Probed[],
  geo: GeoReader,
  from: { readonly latDeg: number; readonly lonDeg: number } | null,
): ProbeReport {
  const first = probed[0]?.result;
  const last = probed.at(-1)?.result;
  const results = probed.map((one) => one.result);
  const warm = results.filter((result) => result.warm);
  const address = probed.at(-1)?.address ?? null;
  const place = address === null ? null : geo.lookup(address);
  const isPlaced = from !== null && place !== null && place.latDeg !== null && place.lonDeg !== null;
  const km = isPlaced ? distanceKm(from, { latDeg: place.latDeg!, lonDeg: place.lonDeg! }) : null;
  const report = {
    url,
    ok: last?.ok ?? false,
    address,
    dnsMs: rounded(first?.dnsMs ?? null),
    connectMs: rounded(medianOf(results.map((result) => result.connectMs))),
    tlsMs: rounded(medianOf(results.map((result) => result.tlsMs))),
    firstByteMs: rounded(medianOf((warm.length > 0 ? warm : results).map((result) => result.firstByteMs))),
    status: last?.status ?? null,
    error: last?.error ?? null,
    place,
    distanceKm: km === null ? null : Math.round(km),
    priorMs: km === null ? null : rounded(priorMs(km)),
  };
  return { ...report, verdict: verdictOf(report) };
}

function verdictOf(report: Omit<ProbeReport, 'verdict'>): string {
  if (!report.ok) return report.error ?? 'failed';
  const { distanceKm: km, connectMs, firstByteMs, priorMs: prior } = report;
  if (km === null || connectMs === null || prior === null) return 'ok';
  // The score's rule: a connect faster than light is an anycast front's; a first byte faster than light, a wrong place.
  if (firstByteMs !== null && firstByteMs < 0.9 * boundMs(km))
    return 'ok, but too fast for that distance: the place is wrong';
  if (connectMs < 0.9 * boundMs(km)) return 'ok, connects to something nearer (anycast or a balancer)';
  if (connectMs > 2 * prior) return `ok, but slow for its distance (expected about ${Math.round(prior)} ms)`;
  return 'ok';
}

const phase = (value: number | null) => (value === null ? '-' : `${value.toFixed(1)} ms`);

const COLUMNS: readonly Column<ProbeReport>[] = [
  { title: 'URL', of: ({ url }) => url, least: 16 },
  { title: 'ADDRESS', of: ({ address }) => address ?? '-', rank: 5 },
  { title: 'DNS', of: ({ dnsMs }) => phase(dnsMs), rank: 6 },
  { title: 'TCP', of: ({ connectMs }) => phase(connectMs), rank: 2 },
  { title: 'TLS', of: ({ tlsMs }) => phase(tlsMs), rank: 4 },
  { title: 'FIRST BYTE', of: ({ firstByteMs }) => phase(firstByteMs), rank: 1 },
  { title: 'STATUS', of: ({ status }) => (status === null ? '-' : String(status)), rank: 3 },
  { title: 'PLACE', of: placeOf, rank: 7 },
  { title: 'DISTANCE', of: ({ distanceKm: km }) => (km === null ? 'unknown' : `${km} km`), rank: 8 },
  { title: 'PRIOR', of: ({ priorMs: prior }) => phase(prior), rank: 9 },
  { title: 'VERDICT', of: ({ verdict }) => verdict, style: ({ ok }) => (ok ? 'green' : 'red'), least: 12 },
];

function placeOf({ place }: ProbeReport): string {
  const known = [place?.city, place?.country].filter((part) => part != null);
  return known.length === 0 ? 'unknown' : known.join(', ');
}

function medianOf(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? null;
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 100) / 100;
}
