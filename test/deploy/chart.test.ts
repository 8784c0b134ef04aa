// The Helm chart, by Helm itself: linted, rendered for several values, and what it renders held against Kubernetes' own types, against
// Fermat's own configuration check, and against what a manifest needs beyond its types: that names meet.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { CHART, render } from '../support/chart.ts';
import { runFermat } from '../support/fermat.ts';
import { findHelm, helm } from '../support/helm.ts';
import { type Manifest, problemsOf } from '../support/kubernetes-models.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const VALUES = { default: [], everything: ['everything.yaml'], daemonset: ['daemonset.yaml'], bare: ['bare.yaml'] };
const FETCH_TIMEOUT_MS = 300_000;

let scratch: string;
const rendered = new Map<string, Manifest[]>();

const filesOf = (names: readonly string[]) =>
  names.flatMap((name) => ['-f', join(REPOSITORY, 'test/fixtures/helm', name)]);

const all = (name: string) => rendered.get(name)!;
const one = (name: string, kind: string) => all(name).find((manifest) => manifest.kind === kind)!;
const workload = (name: string) => all(name).find(({ kind }) => ['Deployment', 'DaemonSet'].includes(kind))!;
const podOf = (name: string) => workload(name).spec.template.spec;

beforeAll(() => {
  findHelm();
  scratch = mkdtempSync(join(tmpdir(), 'fermat-chart-'));
  for (const [name, files] of Object.entries(VALUES)) rendered.set(name, render(...filesOf(files)));
}, FETCH_TIMEOUT_MS);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.each(Object.entries(VALUES))('the chart with values %s', (name, files) => {
  it('is found well by helm lint, strictly', () => {
    const { code, stdout } = helm('lint', '--strict', CHART, ...filesOf(files));
    expect([code, stdout]).toEqual([0, expect.stringContaining('0 chart(s) failed')]);
  });

  it('renders what Kubernetes knows, field by field and type by type', async () => {
    expect(all(name).length).toBeGreaterThan(3);
    for (const manifest of all(name)) expect(await problemsOf(manifest), manifest.kind).toEqual([]);
  });

  it('gives no two things one name, and everything the labels of the release', () => {
    const names = all(name).map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    for (const { metadata } of all(name)) {
      expect(metadata.labels).toMatchObject({
        'app.kubernetes.io/name': 'fermat',
        'app.kubernetes.io/instance': 'edge',
      });
    }
  });

  it('selects its own pods wherever pods are selected', () => {
    const { labels } = workload(name).spec.template.metadata;
    const selectors = [workload(name).spec.selector.matchLabels];
    for (const { kind, spec } of all(name)) {
      if (kind === 'Service') selectors.push(spec.selector);
      if (kind === 'PodDisruptionBudget') selectors.push(spec.selector.matchLabels);
      if (kind === 'NetworkPolicy') selectors.push(spec.podSelector.matchLabels);
    }
    for (const constraint of podOf(name).topologySpreadConstraints ?? [])
      selectors.push(constraint.labelSelector.matchLabels);
    expect(selectors.length).toBeGreaterThan(1);
    for (const selector of selectors) expect(labels).toMatchObject(selector);
  });

  it('mounts what it has, asks ports that are there, and leads services to them', () => {
    const { containers, initContainers = [], volumes, hostNetwork = false } = podOf(name);
    const fermat = containers[0]!;
    const ports = fermat.ports.map((port) => port.name);
    for (const container of [...containers, ...initContainers]) {
      for (const mount of container.volumeMounts) expect(volumes.map((volume) => volume.name)).toContain(mount.name);
      expect(container.image).toMatch(/(:[^/]+|@sha256:.*)$/);
      expect(container.image).not.toMatch(/:latest$/);
    }
    for (const probe of [fermat.startupProbe, fermat.livenessProbe, fermat.readinessProbe]) {
      expect(ports).toContain(probe.httpGet.port);
    }
    for (const { kind, spec } of all(name)) {
      if (kind !== 'Service') continue;
      for (const port of spec.ports) expect(ports).toContain(port.targetPort);
    }
    if (hostNetwork) expect(podOf(name).dnsPolicy).toBe('ClusterFirstWithHostNet');
    const monitor = one(name, 'ServiceMonitor');
    if (monitor === undefined) return;
    const seen = all(name).filter(({ kind, metadata }) => {
      const wanted = Object.entries(monitor.spec.selector.matchLabels);
      return kind === 'Service' && wanted.every(([key, value]) => metadata.labels?.[key] === value);
    });
    expect(seen.map(({ metadata }) => metadata.name)).toEqual(['edge-fermat-admin']);
    expect(seen[0]!.spec.ports[0]!.name).toBe(monitor.spec.endpoints[0]!.port);
  });

  it('meets the restricted Pod Security Standard', () => {
    const { securityContext, containers, initContainers = [], automountServiceAccountToken } = podOf(name);
    expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    for (const container of [...containers, ...initContainers]) {
      expect(container.securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
    const readsSlices = all(name).some(({ kind }) => kind.endsWith('RoleBinding'));
    expect(automountServiceAccountToken).toBe(readsSlices);
  });

  it('has a configuration that Fermat finds valid', async () => {
    const text = one(name, 'ConfigMap')?.data['fermat.yaml'];
    if (name === 'bare') {
      expect(text).toBeUndefined();
      return;
    }
    const file = join(scratch, `${name}.yaml`);
    const config = parse(text!) as { listeners: { tls?: unknown }[] };
    // Certificates are in Secrets, which are not here.
    for (const listener of config.listeners) delete listener.tls;
    writeFileSync(file, JSON.stringify(config));
    const { code, stderr } = await runFermat(['validate', '-c', file], { env: { FERMAT_ADMIN_TOKEN: 'x' } });
    expect([code, stderr.includes('error')]).toEqual([0, false]);
    expect(config).toMatchObject({ admin: { address: ':9901' } });
  });
});

describe('the check against the types', () => {
  it('finds what is unknown, missing, or of another type, so that its silence means something', async () => {
    const budget = one('default', 'PodDisruptionBudget');
    const wrong = { ...budget, spec: { ...budget.spec, minAvailabel: 1, selector: { matchLabels: { a: 1 } } } };
    expect(await problemsOf(wrong as unknown as Manifest)).toEqual([
      'PodDisruptionBudget.spec.selector.matchLabels.a: 1 is no string',
      'PodDisruptionBudget.spec.minAvailabel: unknown to V1PodDisruptionBudgetSpec',
    ]);
    const headless = { ...workload('default'), spec: { replicas: 1 } } as unknown as Manifest;
    expect(await problemsOf(headless)).toEqual([
      'Deployment.spec.selector: missing',
      'Deployment.spec.template: missing',
    ]);
  });
});

describe('values', () => {
  it('choose between a Deployment that spreads and a DaemonSet on the nodes themselves', () => {
    expect(workload('default')).toMatchObject({ kind: 'Deployment', spec: { replicas: 2 } });
    expect(podOf('default').topologySpreadConstraints).toHaveLength(2);
    expect(workload('daemonset').kind).toBe('DaemonSet');
    expect(workload('daemonset').spec).not.toHaveProperty('replicas');
    expect(podOf('daemonset').hostNetwork).toBe(true);
  });

  it('start as many workers as its share of a node is meant for, not one for each core of it', () => {
    const workers = (name: string) => parse(one(name, 'ConfigMap').data['fermat.yaml']!).workers;
    expect([workers('default'), workers('everything')]).toEqual([2, 4]);
  });

  it('put a new pod beside the old one, unless both would want the same port of a node', () => {
    const updateOf = (...set: string[]) =>
      render(...set.flatMap((value) => ['--set', value])).find(({ kind }) => kind === 'Deployment')!.spec;
    expect(updateOf()).toMatchObject({ strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } });
    const inTurn = { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } };
    expect(updateOf('hostNetwork=true')).toMatchObject(inTurn);
    const port = ['name=http', 'port=80', 'targetPort=8080', 'hostPort=80'].map((value) => `service.ports[0].${value}`);
    expect(updateOf(...port)).toMatchObject(inTurn);
  });

  it('leave the number of pods to the autoscaler where there is one', () => {
    expect(workload('everything').spec).not.toHaveProperty('replicas');
    expect(one('everything', 'HorizontalPodAutoscaler').spec).toMatchObject({
      scaleTargetRef: { kind: 'Deployment', name: workload('everything').metadata.name },
      minReplicas: 2,
    });
  });

  it('restart pods for a changed configuration only where they say so', () => {
    const sum = (manifests: readonly Manifest[]) =>
      manifests.find(({ kind }) => kind === 'Deployment')!.spec.template.metadata.annotations['checksum/config'];
    expect(sum(all('default'))).toBeUndefined();
    const before = sum(render('--set', 'restartOnChange=true'));
    const after = sum(render('--set', 'restartOnChange=true', '--set', 'config.node.region=aws:us-east-1'));
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    expect(after).not.toBe(before);
  });

  it('give the right to read EndpointSlices, and no other, where they are asked for', () => {
    const roles = all('everything').filter(({ kind }) => kind === 'Role');
    expect(roles.map(({ metadata }) => metadata.namespace)).toEqual(['web', 'shop']);
    const rules = [{ apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] }];
    for (const role of roles) expect(role.rules).toEqual(rules);
    expect(one('daemonset', 'ClusterRole').rules).toEqual(rules);
    expect(all('default').filter(({ kind }) => kind.includes('Role'))).toEqual([]);
  });

  it('bring a database by a sidecar that starts before Fermat', () => {
    expect(podOf('daemonset').initContainers![0]).toMatchObject({
      image: 'fermat:0.1.0',
      args: ['geoip', 'update', '--to', '/var/lib/geoip/dbip-city-lite.mmdb', '--every', '168h'],
      restartPolicy: 'Always',
    });
    // MaxMind's own writes a log to /tmp before anything else, and ends where it cannot.
    expect(podOf('everything').initContainers![0]).toMatchObject({
      restartPolicy: 'Always',
      volumeMounts: [{ mountPath: '/var/lib/geoip' }, { mountPath: '/tmp' }],
    });
    expect(podOf('daemonset').initContainers![0]!.volumeMounts).toHaveLength(1);
    expect(parse(one('everything', 'ConfigMap').data['fermat.yaml']!).geoip.databases).toEqual([
      '/var/lib/geoip/GeoLite2-City.mmdb',
    ]);
    expect(podOf('default').initContainers).toBeUndefined();
  });

  it('carry the very rules and dashboard of the repository', () => {
    const rules = parse(readFileSync(join(REPOSITORY, 'deploy/prometheus/rules.yml'), 'utf8')) as { groups: unknown };
    expect(one('everything', 'PrometheusRule').spec.groups).toEqual(rules.groups);
    const dashboard = all('everything').find(({ metadata }) => metadata.name === 'edge-fermat-dashboard')!;
    const text = readFileSync(join(REPOSITORY, 'deploy/grafana/fermat.json'), 'utf8');
    expect(JSON.parse(dashboard.data['fermat.json']!)).toEqual(JSON.parse(text));
  });

  it('lead to notes that name what was installed', () => {
    const { code, stdout } = helm('install', 'edge', CHART, '--dry-run=client', '--namespace', 'edge');
    expect(code).toBe(0);
    const notes = stdout.slice(stdout.indexOf('NOTES:'));
    expect(notes).toContain(`rollout status deployment/${workload('default').metadata.name}`);
    expect(notes).toContain(`get secret ${one('default', 'Secret').metadata.name} `);
    expect(notes).not.toMatch(/<no value>|<nil>/);
    expect(notes).not.toContain('networkPolicy');
    const closed = helm('install', 'edge', CHART, '--dry-run=client', '--set', 'networkPolicy.enabled=true').stdout;
    expect(closed.slice(closed.indexOf('NOTES:'))).toContain('nobody but the kubelet reaches the admin port');
  });

  it('are all described: a value that the schema lacks would be refused', () => {
    const values = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as Record<string, unknown>;
    const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as { properties: object };
    const known = Object.keys(schema.properties).filter((key) => key !== 'global');
    expect(known.sort()).toEqual(Object.keys(values).sort());
  });
});

describe('the package of the chart', () => {
  it('is whole: links into the repository are files in it', () => {
    const copy = join(scratch, 'chart');
    cpSync(CHART, copy, { recursive: true, dereference: true });
    expect(helm('package', copy, '--destination', scratch).code).toBe(0);
    const { stdout } = helm('template', 'e', join(scratch, 'fermat-0.1.0.tgz'), ...filesOf(['everything.yaml']));
    expect(stdout).toContain('kind: PrometheusRule');
  });
});

describe('the example of a sidecar', () => {
  const documents = () =>
    parseAllDocuments(readFileSync(join(REPOSITORY, 'deploy/kubernetes/sidecar.yaml'), 'utf8')).map(
      (document) => document.toJS() as Manifest,
    );

  it('is what Kubernetes knows, and its configuration what Fermat does', async () => {
    for (const manifest of documents()) expect(await problemsOf(manifest), manifest.kind).toEqual([]);
    const file = join(scratch, 'sidecar.yaml');
    writeFileSync(file, documents()[0]!.data['fermat.yaml']!);
    expect((await runFermat(['validate', '-c', file], { env: { FERMAT_ADMIN_TOKEN: 'x' } })).code).toBe(0);
  });

  it('has a container that registers as `fermat register` takes it', async () => {
    const pod = documents()[2]!.spec.template.spec;
    const { args } = pod.containers.find(({ name }) => name === 'register')!;
    // Nobody is asked: the token is missing, which is looked at after all the rest.
    const { code, stderr } = await runFermat(args.map((arg) => arg.replace('$(POD_IP)', '127.0.0.1')));
    expect([code, stderr]).toEqual([2, expect.stringContaining('FERMAT_REGISTER_TOKEN')]);
    expect(pod.initContainers![0]!.restartPolicy).toBe('Always');
  });
});
