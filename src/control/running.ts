// What runs now: one configuration and everything that was made of it. Here a change of the configuration becomes a change of
// the node: compiled, given to the fleet, the workers and the prober, in that order, all or nothing. When it is to change, and
// what becomes of a refusal, is the business of others (reloads.ts).

import { closeSync } from 'node:fs';
import type { LatLon, Snapshot } from '../core/snapshot.ts';
import type { AccessLogs } from './access-log.ts';
import { type AdminServer, startAdmin } from './admin.ts';
import type { Config } from './config/config.ts';
import { isPlacedByGeo } from './config/residency.ts';
import type { Discovery } from './discovery/discovery.ts';
import type { Fleet } from './fleet.ts';
import { GeoDb } from './geodb.ts';
import type { Handover } from './handover.ts';
import type { Limits } from './limits/limits.ts';
import type { Localities } from './locality/localities.ts';
import { hostsOf, type Names } from './names.ts';
import type { Overlay } from './overlay/overlay.ts';
import { sentence } from './ports.ts';
import type { Prober } from './prober.ts';
import type { RedisLink } from './redis/link.ts';
import { type Compiled, Registry } from './registry.ts';
import type { Supervisor } from './supervisor.ts';
import type { TicketKeys } from './tickets.ts';
import type { Tracing } from './tracing/tracing.ts';
import type { ControlApi, EventLog } from './types.ts';

/** A reload waits so long for directories that it is the first to name, ms. */
const DIRECTORY_MS = 2000;

export interface RunningParts {
  readonly accessLogs: AccessLogs;
  readonly api: ControlApi;
  readonly events: EventLog;
  readonly discovery: Discovery;
  readonly fleet: Fleet;
  readonly limits: Limits;
  readonly localities: Localities;
  readonly names: Names;
  readonly overlay: Overlay;
  readonly prober: Prober;
  readonly redis: RedisLink;
  readonly supervisor: Supervisor;
  readonly tickets: TicketKeys;
  readonly tracing: Tracing;
  /** Newer databases are in use; they may say that endpoints are elsewhere. */
  readonly onGeoReplaced: () => void;
}

export class Running {
  readonly #parts: RunningParts;
  readonly #registry: Registry;
  #config: Config;
  #compiled: Compiled;
  #geo: GeoDb;
  #admin: AdminServer | null = null;

  /** Compiles; nothing is given to anybody yet. `geo` is its own from now on. */
  constructor(parts: RunningParts, config: Config, geo: GeoDb, lanes: number) {
    this.#parts = parts;
    this.#config = config;
    this.#geo = geo;
    this.#registry = new Registry({
      lanes,
      locate: (ip) => this.#placeOf(ip),
      countryOf: (ip) => this.#geo.lookup(ip)?.country ?? null,
      accessLog: (logging) => parts.accessLogs.specOf(logging),
    });
    this.#compiled = this.#registry.compile(config);
  }

  get config(): Config {
    return this.#config;
  }

  get snapshot(): Snapshot {
    return this.#compiled.snapshot;
  }

  get compiled(): Compiled {
    return this.#compiled;
  }

  get geo(): GeoDb {
    return this.#geo;
  }

  get admin(): AdminServer | null {
    return this.#admin;
  }

  /** Before anything is given to anybody: compiled once more, with the endpoints found in a moment. `known`: by who ran before. */
  async find(known: unknown): Promise<void> {
    if (this.#config.pools.every(({ discover }) => discover.length === 0)) return;
    await this.#parts.discovery.begin(this.#config, known);
    this.#compiled = this.#registry.compile(this.#parts.discovery.merged(this.#config));
    this.#parts.discovery.use(this.#config);
  }

  /** No worker has an exchange of a Snapshot older than this. Of a version that failed, nothing follows. */
  quiet(version: number): void {
    if (version <= this.snapshot.version) this.#registry.quiet(version);
  }

  /** Rejects when the address cannot be had. `inherited`: a socket of ours that listens there already, or elsewhere. */
  async openAdmin(inherited: Handover['admin'] = null): Promise<void> {
    const { address } = this.#config.admin;
    const isSame = inherited !== null && address !== null && textOf(address) === inherited.address;
    if (inherited !== null && !isSame) closeSync(inherited.fd);
    this.#admin = await this.#openAdmin(this.#config, isSame ? inherited.fd : null);
  }

  /** What a successor would take over. */
  get adminSocket(): Handover['admin'] {
    const { address } = this.#config.admin;
    return address === null || this.#admin === null ? null : { address: textOf(address), fd: this.#admin.fd };
  }

  /** For the listeners of what runs, and of what is about to. */
  giveTickets(...more: readonly Snapshot[]): void {
    const { supervisor, tickets } = this.#parts;
    const secure = [this.snapshot, ...more].flatMap(({ listeners }) => listeners.filter(({ tls }) => tls !== null));
    supervisor.told.setTickets(tickets.of(secure.map(({ name }) => name)));
  }

  /** Asks for the names of endpoints: of what runs, and of what is about to. */
  keepNames(config: Config = this.#config, ...more: readonly Snapshot[]): void {
    this.#parts.names.use(config.node.resolvers);
    this.#parts.names.keep(hostsOf(this.snapshot, ...more));
  }

  warn(): void {
    for (const warning of this.#compiled.warnings) this.#parts.events.emit('warn', 'config.warning', warning);
  }

  /** Everything or nothing: on a rejection all is as it was. New databases first: they say where endpoints are. */
  async apply(config: Config): Promise<void> {
    const before = this.#geo;
    const isSameGeo = config.geoipDatabases.join('\n') === this.#config.geoipDatabases.join('\n');
    if (!isSameGeo) this.#geo = await GeoDb.open([...config.geoipDatabases], this.#parts.events);
    try {
      await this.#install(config);
    } catch (error) {
      if (!isSameGeo) this.#geo.close();
      this.#geo = before;
      throw error;
    }
    if (isSameGeo) return;
    before.close();
    this.watchGeo();
    this.#parts.supervisor.told.setGeo(this.#geo.files);
  }

  /** From now on, new versions of the databases go to the workers. */
  watchGeo(): void {
    this.#geo.onReplaced((files) => {
      this.#parts.supervisor.told.setGeo(files);
      this.#parts.onGeoReplaced();
    });
  }

  /** Endpoints that only GeoIP can place may be elsewhere by new databases: the same configuration, compiled once more. */
  async placeAnew(): Promise<void> {
    const { pools } = this.#parts.discovery.merged(this.#config);
    if (pools.some(({ endpoints }) => endpoints.some(isPlacedByGeo))) await this.#install(this.#config);
  }

  /** Endpoints were found, or are gone: the same configuration, compiled with what is known now. All or nothing, like `apply`. */
  async renew(): Promise<void> {
    await this.#install(this.#config, false);
  }

  async #install(config: Config, isToldAnew = true): Promise<void> {
    const { discovery, fleet, localities, prober, supervisor } = this.#parts;
    const old = this.#config;
    const compiled = this.#registry.compile(discovery.merged(config));
    this.#parts.accessLogs.check(config.logging); // what may fail comes first
    await this.#replaceAdmin(old, config);
    this.#config = config;
    try {
      localities.install(compiled.snapshot);
      await localities.untilLoaded(DIRECTORY_MS);
      fleet.install(compiled.snapshot, compiled.probes);
      this.#parts.limits.install(compiled.snapshot);
      this.giveTickets(compiled.snapshot);
      this.keepNames(config, compiled.snapshot);
      await supervisor.publish(compiled.snapshot);
    } catch (error) {
      this.#config = old;
      fleet.install(this.snapshot, this.#compiled.probes);
      this.#parts.limits.install(this.snapshot);
      localities.install(this.snapshot);
      this.keepNames();
      await this.#replaceAdmin(config, old);
      throw error;
    }
    this.#compiled = compiled;
    this.#parts.accessLogs.use(config.logging);
    this.keepNames();
    prober.install(compiled.snapshot, compiled.probes);
    this.#parts.overlay.install(config, compiled.snapshot);
    this.#parts.tracing.install(config.tracing);
    this.#parts.redis.use(config.state.redis);
    discovery.use(config);
    if (isToldAnew) this.warn();
  }

  /** Rejects with the old one still, or again, open. */
  async #replaceAdmin(from: Config, to: Config): Promise<void> {
    if (JSON.stringify(to.admin) === JSON.stringify(from.admin)) return;
    const old = this.#admin;
    const isSamePlace = JSON.stringify(to.admin.address) === JSON.stringify(from.admin.address);
    // Never awaited: the request for this reload may come from that very server, which lets it finish.
    if (isSamePlace) void old?.close();
    try {
      this.#admin = await this.#openAdmin(to);
    } catch (error) {
      if (isSamePlace) this.#admin = await this.#openAdmin(from);
      throw error;
    }
    if (!isSamePlace) void old?.close();
  }

  async #openAdmin({ admin: { address, token } }: Config, fd: number | null = null): Promise<AdminServer | null> {
    if (address === null) return null;
    try {
      return await startAdmin({ api: this.#parts.api, address: textOf(address), token, fd });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw code === undefined ? error : new Error(`admin: ${sentence(textOf(address), code, message)}`);
    }
  }

  #placeOf(ip: string): LatLon | null {
    const place = this.#geo.lookup(ip);
    if (place === null || place.latDeg === null || place.lonDeg === null) return null;
    return { latDeg: place.latDeg, lonDeg: place.lonDeg };
  }
}

function textOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
