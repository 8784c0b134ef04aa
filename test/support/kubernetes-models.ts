// Whether a manifest is one, without an API server: by the types of Kubernetes' own OpenAPI document, which its client library
// carries as classes. Stricter than the server, which drops what it does not know: here an unknown field is a problem.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';

const MODELS = resolve(import.meta.dirname, '../../node_modules/@kubernetes/client-node/dist/gen/models');

type Labels = Readonly<Record<string, string>>;

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly securityContext: unknown;
  readonly restartPolicy?: string;
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
}
interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

export interface Pod {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes: readonly { readonly name: string }[];
  readonly topologySpreadConstraints?: readonly { readonly labelSelector: { readonly matchLabels: Labels } }[];
  readonly securityContext: unknown;
  readonly automountServiceAccountToken: boolean;
  readonly hostNetwork?: boolean;
  readonly dnsPolicy?: string;
}

/** One document of Kubernetes. What tests look into is here of all kinds at once: each knows which kind it has. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Labels };
  readonly data: Labels;
  readonly rules: unknown;
  readonly spec: {
    readonly selector: Labels & { readonly matchLabels: Labels };
    readonly podSelector: { readonly matchLabels: Labels };
    readonly template: {
      readonly metadata: { readonly labels: Labels; readonly annotations: Labels };
      readonly spec: Pod;
    };
    readonly ports: readonly { readonly name: string; readonly targetPort: string }[];
    readonly endpoints: readonly { readonly port: string }[];
    readonly groups: unknown;
  };
}

interface Attribute {
  readonly baseName: string;
  readonly type: string;
}
interface Model {
  readonly attributes: ReadonlyMap<string, string>;
  readonly required: readonly string[];
}

const models = new Map<string, Model>();

async function modelOf(type: string): Promise<Model> {
  const known = models.get(type);
  if (known !== undefined) return known;
  const module = (await import(join(MODELS, `${type}.js`))) as Record<string, { attributeTypeMap: Attribute[] }>;
  const attributes = new Map(module[type]!.attributeTypeMap.map(({ baseName, type }) => [baseName, type]));
  // Only the declarations know what must be there.
  const declared = readFileSync(join(MODELS, `${type}.d.ts`), 'utf8');
  const required = [...declared.matchAll(/^ {4}'([^']+)': /gm)].map(([, name]) => name!.replace(/^_/, ''));
  const model = { attributes, required };
  models.set(type, model);
  return model;
}

/** Everything that is wrong with it, as `path: what`. [] = nothing. */
export async function problemsOf(manifest: Manifest): Promise<string[]> {
  const { apiVersion, kind } = manifest;
  if (apiVersion.startsWith('monitoring.coreos.com/')) return operatorProblems(manifest);
  const version = apiVersion.split('/').at(-1)!;
  const type = `${version[0]!.toUpperCase()}${version.slice(1)}${kind}`;
  return check(manifest, type, kind);
}

async function check(value: unknown, type: string, path: string): Promise<string[]> {
  const list = /^(?:Array|Set)<(.*)>$/.exec(type)?.[1];
  if (list !== undefined) {
    if (!Array.isArray(value)) return [`${path}: not a list`];
    return (await Promise.all(value.map((item, i) => check(item, list, `${path}[${i}]`)))).flat();
  }
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type)?.[1];
  if (map !== undefined) {
    if (!isMapping(value)) return [`${path}: not a mapping`];
    const entries = Object.entries(value);
    return (await Promise.all(entries.map(([key, item]) => check(item, map, `${path}.${key}`)))).flat();
  }
  if (type === 'any' || type === 'object') return [];
  if (type === 'IntOrString') return ['string', 'number'].includes(typeof value) ? [] : [`${path}: ${typeof value}`];
  if (['string', 'number', 'boolean'].includes(type)) {
    return typeof value === type ? [] : [`${path}: ${JSON.stringify(value)} is no ${type}`];
  }
  if (!isMapping(value)) return [`${path}: not a mapping (${type})`];
  const { attributes, required } = await modelOf(type);
  const missing = required.filter((name) => !(name in value)).map((name) => `${path}.${name}: missing`);
  const wrong = Object.entries(value).map(([key, item]) => {
    const known = attributes.get(key);
    return known === undefined ? [`${path}.${key}: unknown to ${type}`] : check(item, known, `${path}.${key}`);
  });
  return [...missing, ...(await Promise.all(wrong)).flat()];
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

// The two kinds of the Prometheus operator, as far as they are used here (its api.md, monitoring.coreos.com/v1).
const labels = z.record(z.string(), z.string());
const common = { apiVersion: z.literal('monitoring.coreos.com/v1'), metadata: z.looseObject({ name: z.string() }) };
const period = z.string().regex(/^\d+(ms|s|m|h|d)$/);
const rule = z.strictObject({
  alert: z.string().optional(),
  record: z.string().optional(),
  expr: z.union([z.string(), z.number()]),
  for: period.optional(),
  keep_firing_for: period.optional(),
  labels: labels.optional(),
  annotations: labels.optional(),
});
const operatorKinds = z.discriminatedUnion('kind', [
  z.strictObject({
    ...common,
    kind: z.literal('ServiceMonitor'),
    spec: z.strictObject({
      jobLabel: z.string().optional(),
      selector: z.strictObject({ matchLabels: labels }),
      endpoints: z
        .array(z.strictObject({ port: z.string(), path: z.string(), interval: period, honorLabels: z.boolean() }))
        .min(1),
    }),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('PrometheusRule'),
    spec: z.strictObject({
      groups: z.array(z.strictObject({ name: z.string(), interval: period.optional(), rules: z.array(rule).min(1) })),
    }),
  }),
]);

function operatorProblems(manifest: Manifest): string[] {
  const { error } = operatorKinds.safeParse(manifest);
  return error?.issues.map(({ path, message }) => `${manifest.kind}.${path.join('.')}: ${message}`) ?? [];
}
