// `tracing` in the file: what is right, in which words what is wrong is told, and what is shown of its secrets.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders of the configuration.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/control/config/load.ts';
import { redact } from '../../../src/control/config/redact.ts';
import { collectorUrl } from '../../../src/control/config/values-tracing.ts';

const dir = mkdtempSync(join(tmpdir(), 'fermat-tracing-'));
afterAll(() => rmSync(dir, { recursive: true }));

function load(tracing: unknown, env: Record<string, string> = {}) {
  const file = join(dir, 'fermat.yaml');
  const rest = { listeners: [{ address: ':0' }], routes: [{ respond: { status: 204 } }] };
  const node = { id: 'edge-1', region: 'gcp:europe-west3' };
  writeFileSync(file, JSON.stringify({ ...rest, node, tracing }));
  return loadConfig(file, {}, env);
}

describe('the collector’s address', () => {
  it.each([
    ['http://collector:4318', 'http://collector:4318/v1/traces'],
    ['http://collector:4318/', 'http://collector:4318/v1/traces'],
    ['http://[::1]:4318', 'http://[::1]:4318/v1/traces'],
    ['https://otlp.example.com/otlp', 'https://otlp.example.com/otlp/v1/traces'],
    ['https://otlp.example.com/otlp/', 'https://otlp.example.com/otlp/v1/traces'],
    ['https://otlp.example.com/api/v1/traces', 'https://otlp.example.com/api/v1/traces'],
    ['https://otlp.example.com/api/v1/traces?team=1', 'https://otlp.example.com/api/v1/traces?team=1'],
    ['https://otlp.example.com?team=1', 'https://otlp.example.com/v1/traces?team=1'],
  ])('%s gets the path for traces unless it has it', (text, url) => {
    expect(collectorUrl(text)).toBe(url);
  });

  it.each([
    ['collector:4318', 'not a URL of http or https'],
    ['grpc://collector:4317', 'not a URL of http or https'],
    ['http://', 'not a URL'],
    ['http://coll ector', 'not a URL of http or https'],
    ['http://user:pw@collector', 'user and password belong into headers'],
    ['http://collector/#a', 'a fragment is never sent'],
    ['http://-/', 'not a host name or address'],
  ])('%s is none', (text, wrong) => {
    expect(collectorUrl(text)).toEqual({ wrong });
  });
});

describe('what the node works with', () => {
  it('is nothing without a collector', () => {
    const loaded = load({ sample: 1 });
    expect(loaded.ok && loaded.config.tracing).toBeNull();
  });

  it('is said in the units of the code, with the defaults and who this is', () => {
    const loaded = load({ otlp: 'http://c:4318', resource: { 'host.name': 'h' } });
    if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
    expect(loaded.config.tracing).toMatchObject({
      spec: { ratio: 0.01, parentBased: true, propagate: true, maxSpansPerSecond: 1000 },
      collector: { url: 'http://c:4318/v1/traces', headers: {}, isCompressed: true, timeoutMs: 10_000 },
      resource: {
        'service.name': 'fermat',
        'service.instance.id': 'edge-1',
        'cloud.provider': 'gcp',
        'cloud.region': 'europe-west3',
        'host.name': 'h',
      },
    });
    expect(loaded.config.tracing!.spec.redactQuery).toContain('token');
  });

  it('holds secrets of the environment, which are not shown', () => {
    const headers = { authorization: 'Bearer ${TOKEN}' };
    const loaded = load({ otlp: 'https://c/?key=${TOKEN}', headers }, { TOKEN: 'hush' });
    if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
    expect(loaded.config.tracing!.collector.headers).toEqual({ authorization: 'Bearer hush' });
    expect(JSON.stringify(redact(loaded.config))).not.toContain('hush');
    expect(redact(loaded.config)).toMatchObject({ tracing: { headers: { authorization: '***' }, sample: 0.01 } });
  });
});

it.each([
  [{ otlp: 'c:4318' }, 'tracing.otlp: not a URL of http or https'],
  [{ otlp: 'http://u:hush@c/?key=hush' }, 'tracing.otlp: user and password belong into headers'],
  [{ otlp: 'http://c', sample: 2 }, 'tracing.sample: too large'],
  [{ otlp: 'http://c', sampel: 1 }, 'tracing.sampel: unknown key (did you mean sample?)'],
  [{ headers: { 'content-type': 'x' } }, 'tracing.headers: content-type is written by Fermat itself'],
  [{ headers: { 'a b': 'x' } }, 'tracing.headers: "a b" is not the name of a header'],
  [{ headers: { a: 'x\ny: hush' } }, 'tracing.headers: the value of a cannot be sent'],
  [{ headers: [] }, 'tracing.headers: not a mapping'],
  [{ maxSpansPerSecond: 0 }, 'tracing.maxSpansPerSecond: too small'],
  [{ timeout: '0s' }, 'tracing.timeout: too short'],
  [{ resource: { a: 1 } }, 'tracing.resource.a: not a string'],
])('%j is told as wrong, without its secrets', (tracing, problem) => {
  const loaded = load(tracing);
  const problems = loaded.ok ? [] : loaded.problems;
  expect(problems.length).toBe(1);
  expect(problems[0]).toContain(problem);
  expect(problems[0]).not.toContain('hush');
});
