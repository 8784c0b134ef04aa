// From EndpointSlices (discovery.k8s.io/v1) to entries. Which pods are used follows kube-proxy: those that are ready; where there
// are none, those that end but still serve. Pure.

import { regionNames } from '../../../geoip/regions.ts';
import type { Entry } from './source.ts';
import type { KubernetesSpec } from './spec.ts';

/** What we read of a slice. */
export interface Slice {
  readonly metadata?: {
    readonly name?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly addressType?: string;
  readonly ports?:
    | readonly { readonly name?: string | null; readonly port?: number | null; readonly protocol?: string | null }[]
    | null;
  readonly endpoints?: readonly Member[] | null;
}

interface Member {
  readonly addresses?: readonly string[];
  readonly conditions?: {
    readonly ready?: boolean | null;
    readonly serving?: boolean | null;
    readonly terminating?: boolean | null;
  } | null;
  readonly zone?: string | null;
  readonly nodeName?: string | null;
  readonly targetRef?: { readonly kind?: string; readonly name?: string; readonly uid?: string } | null;
}

/** Labels of the service, which the cluster copies to its slices. */
const WEIGHT_LABEL = 'fermat/weight';
const CAPACITY_LABEL = 'fermat/capacity';

export function entriesOf(slices: readonly Slice[], spec: KubernetesSpec): Entry[] {
  const ordered = [...slices].sort((a, b) => rankOf(a) - rankOf(b));
  const all = ordered.flatMap((slice) => (slice.endpoints ?? []).map((member) => ({ slice, member })));
  const ready = all.filter(({ member }) => isReady(member));
  const used = ready.length > 0 ? ready : all.filter(({ member }) => isEnding(member));
  const seen = new Set<string>();
  return used.flatMap(({ slice, member }): Entry[] => {
    const port = portOf(slice, spec.port);
    const [address] = member.addresses ?? [];
    if (port === null || address === undefined) return [];
    // A pod of both families stands in two slices.
    const pod = member.targetRef?.uid ?? `${address}:${port}`;
    if (seen.has(pod)) return [];
    seen.add(pod);
    return [entryOf(slice, member, address, port, spec)];
  });
}

function entryOf(
  { metadata }: Slice,
  { zone, nodeName, targetRef }: Member,
  address: string,
  port: number,
  spec: KubernetesSpec,
): Entry {
  const labels = metadata?.labels ?? {};
  const host = address.includes(':') ? `[${address}]` : address;
  const told = { zone, node: nodeName, pod: targetRef?.kind === 'Pod' ? targetRef.name : null };
  const endpoint = {
    url: `${spec.scheme}://${host}:${port}`,
    region: zone == null ? null : regionOf(zone, spec.zones),
    weight: numberOf(labels[WEIGHT_LABEL]),
    capacity: numberOf(labels[CAPACITY_LABEL]),
    labels: Object.fromEntries(Object.entries(told).filter(([, value]) => typeof value === 'string')),
  };
  return { at: `${told.pod ?? address} of ${metadata?.name ?? 'a slice'}`, endpoint };
}

/** `eu-central-1a`, `europe-west1-b`, `westeurope-1` → a region of the catalogue; null when none is meant, or several may be. */
export function regionOf(zone: string, zones: Readonly<Record<string, string>>): string | null {
  if (Object.hasOwn(zones, zone)) return zones[zone]!;
  for (const name of [zone, zone.replace(/-?[a-z]$/, ''), zone.replace(/-\d$/, '')]) {
    const fitting = regionNames().filter((region) => region.endsWith(`:${name}`));
    if (fitting.length === 1) return fitting[0]!;
  }
  return null;
}

/** IPv4 first. */
function rankOf({ addressType }: Slice): number {
  return addressType === 'IPv4' ? 0 : addressType === 'IPv6' ? 1 : 2;
}

/** What is not said is true (EndpointConditions). */
function isReady({ conditions }: Member): boolean {
  return conditions?.ready !== false && conditions?.terminating !== true;
}

function isEnding({ conditions }: Member): boolean {
  return conditions?.terminating === true && conditions.serving !== false;
}

/** null = the service has no such port. */
function portOf({ ports }: Slice, wanted: string | number | null): number | null {
  const tcp = (ports ?? []).filter(({ protocol }) => (protocol ?? 'TCP') === 'TCP');
  const port = wanted === null ? tcp[0] : tcp.find(({ name, port }) => name === wanted || port === wanted);
  return port?.port ?? null;
}

/** As the schema wants it; what is no number stays, to be named. */
function numberOf(value: string | undefined): unknown {
  return value !== undefined && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}
