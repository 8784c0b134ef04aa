// Values of the chart that somebody might give it: refused with the reason where nothing good would come of them, and rendered
// into names that Kubernetes takes where they are only unusual.

import { beforeAll, describe, expect, it } from 'vitest';
import { CHART, manifestsOf, refusal, renderWith } from '../support/chart.ts';
import { findHelm, helm } from '../support/helm.ts';

const FETCH_TIMEOUT_MS = 300_000;

beforeAll(() => void findHelm(), FETCH_TIMEOUT_MS);

describe('values of the chart', () => {
  it('are refused when they contradict each other, and told why', () => {
    expect(refusal('terminationGracePeriodSeconds=40')).toContain('draining may take 40 s');
    expect(refusal('config.shutdown.timeout=2m')).toContain('draining may take 130 s');
    expect(refusal('config.shutdown.timeout=1.5m')).toContain('draining may take 100 s');
    expect(refusal('config.shutdown.timeout=40000ms')).toContain('draining may take 50 s');
    expect(refusal('config.shutdown.drainDelay=0s', 'config.shutdown.timeout=44500ms')).toContain('may take 45 s');
    expect(refusal('config.shutdown.drainDelay=0', 'terminationGracePeriodSeconds=30')).toContain('may take 30 s');
    expect(refusal('config.shutdown.drainDelay=0', 'terminationGracePeriodSeconds=31')).not.toContain('may take');
    expect(refusal('config.shutdown=null', 'terminationGracePeriodSeconds=35')).toContain('may take 35 s');
    expect(refusal('kind=DaemonSet', 'autoscaling.enabled=true')).toContain('autoscaling is for a Deployment');
    expect(refusal('geoip.source=maxmind')).toContain('geoip.maxmind.secret');
    expect(refusal('service.ports[0].name=x', 'service.ports[0].port=1', 'service.ports[0].targetPort=81')).toContain(
      'port 81',
    );
  });

  it('are refused when pods or an autoscaler would never come about by them', () => {
    const scaled = 'autoscaling.enabled=true';
    expect(refusal(scaled, 'autoscaling.minReplicas=5', 'autoscaling.maxReplicas=3')).toContain(
      'more than maxReplicas',
    );
    expect(refusal(scaled, 'resources.requests.cpu=null')).toContain('resources.requests.cpu is missing');
    expect(refusal('admin.port=8080')).toContain('admin.port 8080 is the port of a listener');
    const port = (i: number, name: string) =>
      [`name=${name}`, 'port=80', 'targetPort=8080'].map((value) => `service.ports[${i}].${value}`);
    expect(refusal(...port(0, 'http'), ...port(1, 'http'))).toContain('a name or a port is there twice');
    for (const name of ['admin', '80', 'a--b'])
      expect(refusal(...port(0, name)), name).toContain('/service/ports/0/name');
    const said = refusal('tls.secrets={site,site}', 'podLabels.app\\.kubernetes\\.io/name=mine');
    expect(said).toContain('/tls/secrets');
    expect(said).toContain("invalid propertyName 'app.kubernetes.io/name'");
  });

  it('may be names with dots, and as long as Kubernetes lets them be', () => {
    const secret = `${'a'.repeat(61)}.${'b'.repeat(61)}.example.net`;
    const release = `edge.${'x'.repeat(43)}.eu`;
    const { code, stdout } = helm('template', release, CHART, '--set', `tls.secrets={${secret},site}`);
    expect(code).toBe(0);
    const manifests = manifestsOf(stdout);
    for (const { kind, metadata } of manifests)
      expect(metadata.name, kind).toMatch(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/);
    const { volumes, containers } = manifests.find(({ kind }) => kind === 'Deployment')!.spec.template.spec;
    const mounted = containers[0]!.volumeMounts.map(({ name, mountPath }) => [name, mountPath]);
    expect(mounted).toContainEqual(['tls-0', `/etc/fermat-tls/${secret}`]);
    expect(mounted).toContainEqual(['tls-1', '/etc/fermat-tls/site']);
    expect(volumes.map(({ name }) => name)).toEqual(['config', 'tls-0', 'tls-1']);
  });

  it('choose the family of addresses where the cluster has two', () => {
    const spec = (...set: string[]) => renderWith(...set).find(({ kind }) => kind === 'Service')!.spec;
    expect(spec()).not.toHaveProperty('ipFamilies');
    expect(spec('service.ipFamilyPolicy=SingleStack', 'service.ipFamilies={IPv6}')).toMatchObject({
      ipFamilyPolicy: 'SingleStack',
      ipFamilies: ['IPv6'],
    });
    expect(refusal('service.ipFamilies={v6}')).toContain('/service/ipFamilies');
  });

  it('are refused when nobody knows them, or when they are of another form', () => {
    expect(refusal('replica=3')).toContain("additional properties 'replica' not allowed");
    expect(refusal('kind=StatefulSet')).toContain('Deployment');
    expect(refusal('image.tag=latest')).toContain('/image/tag');
    expect(refusal('config.admin.token=secret')).toContain('/config/admin');
  });
});
