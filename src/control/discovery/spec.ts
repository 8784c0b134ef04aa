// What a pool may be told about where its endpoints are found: `pools.NAME.discover`, durations in ms. Shapes only.

import type { LatLon } from '../../core/snapshot.ts';

export type Scheme = 'http' | 'https' | 'h2c' | 'h2';

/** Addresses or SRV records of a name. */
export interface DnsSpec {
  readonly kind: 'dns';
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'SRV';
  /** SRV records bring their own. */
  readonly port: number;
  readonly scheme: Scheme;
  /** Asked again after the TTL, and at the latest after this. */
  readonly intervalMs: number;
}

/** YAML and JSON files, each a list of endpoints. */
export interface DirectorySpec {
  readonly kind: 'directory';
  /** Absolute. */
  readonly path: string;
}

/** EndpointSlices of a service. */
export interface KubernetesSpec {
  readonly kind: 'kubernetes';
  readonly service: string;
  /** null = that of the credentials. */
  readonly namespace: string | null;
  /** Name or number; null = the first. */
  readonly port: string | number | null;
  readonly scheme: Scheme;
  /** Absolute; null = those of the pod, else $KUBECONFIG or ~/.kube/config. */
  readonly kubeconfig: string | null;
  /** Zone → region of the catalogue, where the name of the zone does not tell. */
  readonly zones: Readonly<Record<string, string>>;
}

/** Instances of a service in Consul's catalogue. */
export interface ConsulSpec {
  readonly kind: 'consul';
  /** http://host:port or https://host:port. */
  readonly address: string;
  readonly service: string;
  readonly tag: string | null;
  readonly datacenter: string | null;
  readonly token: string | null;
  /** Those with a warning are left out, too; critical ones always are. */
  readonly passing: boolean;
  readonly scheme: Scheme;
}

/** Endpoints that register themselves. */
export interface RegistrySpec {
  readonly kind: 'registry';
  /** Keys of the signatures: either is good; null = there is but one. */
  readonly token: string;
  readonly otherToken: string | null;
  /** CIDRs that addresses must be in; empty = any. */
  readonly networks: readonly string[];
}

export type SourceSpec = DnsSpec | DirectorySpec | KubernetesSpec | ConsulSpec | RegistrySpec;

/** What holds for all endpoints of a source, unless it says otherwise of one. */
export interface DefaultsSpec {
  readonly region: string | null;
  readonly location: LatLon | null;
  readonly weight: number;
  readonly capacity: number;
  readonly egressUsdPerGb: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface DiscoverSpec {
  /** `dns:shop.internal`; unique in its pool. For metrics and for people. */
  readonly name: string;
  /** Fewer endpoints than this are believed only after `graceMs`. */
  readonly minimum: number;
  readonly graceMs: number;
  readonly defaults: DefaultsSpec;
  readonly from: SourceSpec;
}
