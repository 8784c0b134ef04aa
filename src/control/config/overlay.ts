// `overlay` in two steps, as for all of the configuration: what one value cannot know about another, on the tree as it was
// read; and, once all is valid, what the node works with.

import { findRegion } from '../../../geoip/regions.ts';
import type { CertificateSpec, LatLon, TlsListenerSpec } from '../../core/snapshot.ts';
import { type Findings, readListenerTls } from './certificates.ts';
import type { Path, Problem } from './problems.ts';
import type { FileConfig } from './schema.ts';
import { parseAddress, parseDuration } from './values.ts';
import { type PeerUrl, parsePeerUrl } from './values-overlay.ts';

/** Of the listener that belongs to peers: in metrics, in the log. */
export const OVERLAY_LISTENER = 'overlay';

export interface OverlayConfig {
  readonly address: { readonly host: string; readonly port: number };
  readonly peers: readonly PeerConfig[];
  readonly tls: OverlayTls | null;
  readonly secret: string | null;
  /** Believed, too. */
  readonly otherSecret: string | null;
  readonly intervalMs: number;
  readonly match: 'url' | 'id';
}

export interface OverlayTls {
  /** PEM texts. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly listener: TlsListenerSpec;
}

export interface PeerConfig extends PeerUrl {
  readonly id: string;
  readonly region: string | null;
  readonly location: LatLon | null;
  readonly costMs: number;
  readonly egressUsdPerGb: number;
}

/** null = the node has nothing to do with others. What is wrong with its files goes to `found`. */
export function overlayOf(
  { overlay }: FileConfig,
  nodeId: string,
  base: string,
  found: Findings,
): OverlayConfig | null {
  if (overlay === null) return null;
  const tls = overlay.tls === null ? null : tlsOf(overlay.tls, nodeId, base, found);
  return {
    address: parseAddress(overlay.address)!,
    peers: overlay.peers.map(({ url, region, location, ...peer }) => ({
      ...peer,
      ...parsePeerUrl(url)!,
      region: region ?? null,
      location: location === undefined ? placeOf(region) : { latDeg: location.lat, lonDeg: location.lon },
    })),
    tls,
    secret: overlay.secret,
    otherSecret: overlay.otherSecret,
    intervalMs: parseDuration(overlay.interval)!,
    match: overlay.match,
  };
}

function placeOf(region: string | undefined): LatLon | null {
  const found = region === undefined ? null : findRegion(region);
  return found === null ? null : { latDeg: found.latDeg, lonDeg: found.lonDeg };
}

type FileTls = NonNullable<NonNullable<FileConfig['overlay']>['tls']>;

/** One certificate for both directions: shown to whoever connects, and to whoever is connected to. */
function tlsOf(tls: FileTls, nodeId: string, base: string, found: Findings): OverlayTls | null {
  const at: Path = ['overlay', 'tls'];
  const own: Findings = { problems: [], warnings: found.warnings, files: found.files };
  const form = {
    certificates: [{ cert: tls.cert, key: tls.key }],
    clientCa: tls.ca,
    minVersion: '1.3',
    alpn: ['http/1.1'],
  };
  const listener = readListenerTls(form as Parameters<typeof readListenerTls>[0], at, base, Date.now(), own);
  found.problems.push(...own.problems.map((problem) => ({ ...problem, path: placed(problem.path) })));
  if (own.problems.length > 0) return null;
  const certificate = listener.certificates[0] as CertificateSpec;
  if (!certificate.names.includes(nodeId.toLowerCase())) {
    const what = `its names (${certificate.names.join(', ')}) do not hold the id of this node`;
    found.problems.push({ path: [...at, 'cert'], what, expected: `a certificate with the DNS name ${nodeId}` });
  }
  return { ca: listener.clientCa!, cert: certificate.cert, key: certificate.key, listener };
}

/** `overlay.tls.certificates[0].cert` is `overlay.tls.cert` in our file. */
function placed(path: Path): Path {
  const key = path.at(-1);
  return ['overlay', 'tls', key === 'clientCa' ? 'ca' : (key as string)];
}

type Tree = Readonly<Record<string, unknown>>;

/** Policies whose candidates are ranked by time: only there is one path faster than another. */
const BY_TIME: readonly unknown[] = ['fastest', undefined];

export function overlayProblems(root: Tree, nodeId: unknown): Problem[] {
  const isOn = root.overlay !== null && root.overlay !== undefined;
  const routes = list(root.routes).map(mapping);
  const problems = routes.flatMap((route, i) => routeProblems(route, ['routes', i], root, isOn));
  if (!isOn) return problems;
  const overlay = mapping(root.overlay);
  const isTls = overlay.tls !== null && overlay.tls !== undefined;
  const isUnsigned = overlay.secret === null || overlay.secret === undefined;
  if (isUnsigned && overlay.otherSecret !== null && overlay.otherSecret !== undefined) {
    const what = 'nothing to be signed with';
    problems.push({ path: ['overlay', 'otherSecret'], what, expected: 'secret beside it', got: 'none' });
  }
  if (!isTls && isUnsigned) {
    const expected = 'tls (ca, cert, key), or a secret';
    problems.push({ path: ['overlay'], what: 'nobody could tell a peer from a stranger', expected, got: 'neither' });
  }
  return [...problems, ...peerProblems(overlay, nodeId, isTls), ...listenerProblems(root, overlay)];
}

function peerProblems(overlay: Tree, nodeId: unknown, isTls: boolean): Problem[] {
  const problems: Problem[] = [];
  const ids = new Set<unknown>();
  for (const [i, { id, url }] of list(overlay.peers).map(mapping).entries()) {
    const at: Path = ['overlay', 'peers', i];
    if (ids.has(id)) problems.push({ path: [...at, 'id'], what: 'peer id used twice', expected: 'another one' });
    ids.add(id);
    if (id !== undefined && id === nodeId)
      problems.push({ path: [...at, 'id'], what: 'this node itself', expected: 'another edge' });
    if (isTls && typeof id === 'string' && !/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/i.test(id))
      problems.push({ path: [...at, 'id'], what: 'no certificate can hold this name', expected: 'a DNS name' });
    const scheme = isTls ? 'https' : 'http';
    const parsed = typeof url === 'string' ? parsePeerUrl(url) : null;
    if (parsed === null || parsed.scheme === scheme) continue;
    const what = isTls ? 'plain, though edges speak TLS' : 'TLS, of which overlay.tls says nothing';
    problems.push({ path: [...at, 'url'], what, expected: `${scheme}://` });
  }
  return problems;
}

function listenerProblems(root: Tree, overlay: Tree): Problem[] {
  const problems: Problem[] = [];
  for (const [i, { name, address }] of list(root.listeners).map(mapping).entries()) {
    if ((name ?? address) === OVERLAY_LISTENER) {
      const what = 'the name of the overlay’s own listener';
      problems.push({ path: ['listeners', i, 'name'], what, expected: 'another' });
    }
    if (typeof address === 'string' && address === overlay.address && !/:0$/.test(address)) {
      const what = 'address of a listener for clients';
      problems.push({ path: ['overlay', 'address'], what, expected: 'one of its own' });
    }
  }
  return problems;
}

function routeProblems({ overlay, mode, pool: name }: Tree, at: Path, root: Tree, isOn: boolean): Problem[] {
  if (overlay !== 'failover' && overlay !== 'fastest') return [];
  const path = [...at, 'overlay'];
  if (!isOn)
    return [{ path, what: 'no other edge is known', expected: 'off, or overlay (address, peers) beside routes' }];
  if (mode === 'redirect')
    return [{ path, what: 'clients of a redirect go to the endpoint themselves', expected: 'off' }];
  if (name === undefined) return [{ path, what: 'nothing to be reached over another edge', expected: 'off' }];
  const { policy } = mapping(mapping(mapping(root.pools)[String(name)]).balance);
  if (overlay === 'failover' || BY_TIME.includes(policy)) return [];
  return [
    { path, what: `policy ${String(policy)} does not go by time`, expected: 'failover or off, or the policy fastest' },
  ];
}

function mapping(value: unknown): Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Tree) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
