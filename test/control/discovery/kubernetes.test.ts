// List and watch, against a server that speaks them over real sockets.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KubernetesSource, kubeConfigOf } from '../../../src/control/discovery/kubernetes.ts';
import type { KubernetesSpec } from '../../../src/control/discovery/spec.ts';
import { type FakeKubernetes, kubeconfigFor, startKubernetes } from '../../support/fake-kubernetes.ts';
import { Pki } from '../../support/pki.ts';
import { until } from '../../support/until.ts';
import { oneSource, tools } from './support.ts';

const rig = oneSource();

describe('Kubernetes', () => {
  let cluster: FakeKubernetes;
  let directory: string;
  beforeEach(async () => {
    cluster = await startKubernetes();
    directory = mkdtempSync(join(tmpdir(), 'fermat-kube-'));
  });
  afterEach(async () => {
    await cluster.close();
    rmSync(directory, { recursive: true });
  });

  const begin = (more: Partial<KubernetesSpec> = {}, token: string | null = null, ca: string | null = null): void => {
    const kubeconfig = join(directory, 'config');
    writeFileSync(kubeconfig, kubeconfigFor(cluster.url, token, ca));
    const spec: KubernetesSpec = {
      kind: 'kubernetes',
      service: 'shop',
      namespace: null,
      port: null,
      scheme: 'http',
      kubeconfig,
      zones: {},
      ...more,
    };
    rig.start(new KubernetesSource(spec, rig.sink, tools));
  };
  const watched = (n = 1) => until(() => cluster.watchers === n, 'the watch', 8000);

  test('lists page by page, then watches what is added, changed and deleted', async () => {
    for (const n of [1, 2, 3]) cluster.put(`shop-${n}`, 'shop', 8080, [{ address: `10.0.0.${n}` }]);
    cluster.put('other-1', 'other', 8080, [{ address: '10.9.9.9' }]);
    begin();
    await rig.told('http://10.0.0.1:8080', 'http://10.0.0.2:8080', 'http://10.0.0.3:8080');
    await watched();
    cluster.splitBytes = 7;
    cluster.put('shop-2', 'shop', 8080, [{ address: '10.0.0.22' }]);
    await rig.told('http://10.0.0.1:8080', 'http://10.0.0.22:8080', 'http://10.0.0.3:8080');
    cluster.delete('shop-1');
    cluster.put('shop-4', 'shop', 8081, [{ address: '10.0.0.4' }]);
    await rig.told('http://10.0.0.22:8080', 'http://10.0.0.3:8080', 'http://10.0.0.4:8081');
    expect(cluster.lists).toBe(1);
    const watch = cluster.requests.find(({ params }) => params.get('watch') === 'true')!.params;
    expect(watch.get('allowWatchBookmarks')).toBe('true');
    expect(watch.get('labelSelector')).toBe('kubernetes.io/service-name=shop');
    expect(Number(watch.get('timeoutSeconds'))).toBeGreaterThan(0);
  });

  test('goes on from the last version, bookmarks included, when a watch ends', async () => {
    cluster.put('shop-1', 'shop', 8080, [{ address: '10.0.0.1' }]);
    begin();
    await watched();
    cluster.bookmark();
    cluster.forget();
    cluster.bookmark();
    cluster.endWatches();
    await until(() => cluster.watchers === 0, 'the end of the watch');
    cluster.put('shop-1', 'shop', 8080, [{ address: '10.0.0.2' }]);
    await rig.told('http://10.0.0.2:8080');
    expect(cluster.lists).toBe(1);
    expect(rig.sink.failures).toEqual([]);
  });

  test('lists anew when its version is gone, as an answer or as an event, and that is no failure', async () => {
    cluster.put('shop-1', 'shop', 8080, [{ address: '10.0.0.1' }]);
    begin();
    await watched();
    cluster.expireWatches();
    cluster.put('shop-1', 'shop', 8080, [{ address: '10.0.0.2' }]);
    await rig.told('http://10.0.0.2:8080');
    await watched();
    cluster.endWatches();
    cluster.forget();
    cluster.delete('shop-1');
    cluster.put('shop-9', 'shop', 8080, [{ address: '10.0.0.9' }]);
    cluster.forget();
    await rig.told('http://10.0.0.9:8080');
    expect(cluster.lists).toBe(3);
    expect(rig.sink.failures).toEqual([]);
  });

  test('connections that break in the middle of an event are failures, and it comes back', async () => {
    cluster.put('shop-1', 'shop', 8080, [{ address: '10.0.0.1' }]);
    begin();
    await watched();
    cluster.cut();
    await until(() => rig.sink.failures.length === 1, 'the failure');
    cluster.put('shop-1', 'shop', 8080, [{ address: '10.0.0.2' }]);
    await rig.told('http://10.0.0.2:8080');
  });

  test('shows its token, and tells why it is refused', async () => {
    cluster.token = 'secret';
    cluster.put('shop-1', 'shop', 8080, [{ address: '10.0.0.1' }]);
    begin({}, 'wrong');
    await until(() => rig.sink.failures.length > 0, 'the refusal', 8000);
    expect(rig.sink.failures[0]).toBe('Kubernetes does not answer (status 401 Unauthorized)');
    writeFileSync(join(directory, 'config'), kubeconfigFor(cluster.url, 'secret'));
    await rig.told('http://10.0.0.1:8080');
  });

  test('is asked over TLS, and believed by the authority of its credentials alone', async () => {
    using pki = new Pki();
    const authority = pki.issue('authority');
    const own = pki.issue('api', { by: authority, san: 'IP:127.0.0.1' });
    await cluster.close();
    cluster = await startKubernetes({ cert: own.certPem, key: own.keyPem });
    cluster.put('shop-1', 'shop', 8080, [{ address: '10.0.0.1' }]);
    begin({}, 'secret', pki.issue('another').certPem);
    await until(() => rig.sink.failures.length > 0, 'the refusal', 8000);
    expect(rig.sink.answers).toEqual([]);
    await rig.stop();
    begin({}, 'secret', authority.certPem);
    await rig.told('http://10.0.0.1:8080');
    await watched();
    cluster.put('shop-1', 'shop', 8080, [{ address: '10.0.0.2' }]);
    await rig.told('http://10.0.0.2:8080');
  });

  test('has address and credentials of a pod from its service account', async () => {
    const account = join(directory, 'var/run/secrets/kubernetes.io/serviceaccount');
    mkdirSync(account, { recursive: true });
    for (const [name, text] of Object.entries({ token: 'of-the-pod', 'ca.crt': 'PEM', namespace: 'web' }))
      writeFileSync(join(account, name), text);
    process.env.KUBERNETES_SERVICE_HOST = '10.96.0.1';
    process.env.KUBERNETES_SERVICE_PORT = '443';
    try {
      const config = await kubeConfigOf({ kubeconfig: null }, directory);
      expect(config.getCurrentCluster()).toMatchObject({
        server: 'https://10.96.0.1:443',
        caFile: join(account, 'ca.crt'),
      });
      expect(config.getContextObject(config.getCurrentContext())).toMatchObject({ namespace: 'web' });
      const options = { headers: {} as Record<string, string> };
      await config.applyToHTTPSOptions(options);
      expect(options.headers.Authorization).toBe('Bearer of-the-pod');
    } finally {
      delete process.env.KUBERNETES_SERVICE_HOST;
      delete process.env.KUBERNETES_SERVICE_PORT;
    }
  });
});
