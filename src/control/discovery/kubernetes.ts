// Endpoints of a Kubernetes service: its EndpointSlices listed once, then watched from that version on. A watch that the server ends
// goes on from the last version that was told (bookmarks keep that young); 410 Gone means that the version is forgotten, and
// everything is listed anew. The official client gives address and credentials, ours are the loops: its informer ends on errors.

import type { KubeConfig } from '@kubernetes/client-node';
import { type Dispatcher, request } from 'undici';
import { Backoff, pause, wordsOf } from './backoff.ts';
import { linesOf } from './lines.ts';
import { entriesOf, type Slice } from './slices.ts';
import type { Sink, Source, SourceTools } from './source.ts';
import type { KubernetesSpec } from './spec.ts';

/** Servers end a watch after this time, which tells a quiet one from a dead one. */
const WATCH_S = 120;
const WATCH_MS = (WATCH_S + 20) * 1000;
const LIST_MS = 20_000;
const PAGE = 500;
const MAX_PAGES = 100;
/** In a roll-out one event follows the other. ms */
const GATHER_MS = 20;
/** Everything is not listed more often, whatever versions are forgotten. ms */
const LEAST_LIST_MS = 1000;
/** A watch that ends at once is not begun anew without a breath. ms */
const LEAST_WATCH_MS = 1000;

/** 410: what was asked for is not there any more. */
class Gone extends Error {}

interface Session {
  readonly server: string;
  readonly namespace: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined = undici's own. */
  readonly dispatcher: Dispatcher | undefined;
}

export class KubernetesSource implements Source {
  readonly #spec: KubernetesSpec;
  readonly #sink: Sink;
  readonly #tools: SourceTools;
  readonly #backoff: Backoff;
  readonly #stopped = new AbortController();
  readonly #slices = new Map<string, Slice>();
  #running: Promise<void> = Promise.resolve();
  #telling: NodeJS.Timeout | null = null;
  #listedAtMs = 0;

  constructor(spec: KubernetesSpec, sink: Sink, tools: SourceTools) {
    this.#spec = spec;
    this.#sink = sink;
    this.#tools = tools;
    this.#backoff = new Backoff(tools.random);
  }

  start(): void {
    this.#running = this.#run(this.#stopped.signal);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
    if (this.#telling !== null) clearTimeout(this.#telling);
  }

  /** Never rejects. `version` '' = list first. */
  async #run(signal: AbortSignal): Promise<void> {
    let version = '';
    while (!signal.aborted) {
      let session: Session | null = null;
      try {
        session = await openSession(this.#spec);
        if (version === '') version = await this.#list(session, signal);
        const startMs = this.#tools.clock();
        version = await this.#watch(session, version, signal);
        this.#backoff.reset();
        await pause(startMs + LEAST_WATCH_MS - this.#tools.clock(), signal);
      } catch (error) {
        if (signal.aborted) return;
        const isGone = error instanceof Gone;
        // What we have may be old: told once more from the beginning. A version that is only forgotten is no failure.
        version = '';
        if (!isGone) this.#sink.failed(`Kubernetes does not answer (${wordsOf(error)})`);
        await pause(isGone ? this.#listedAtMs + LEAST_LIST_MS - this.#tools.clock() : this.#backoff.next(), signal);
      } finally {
        await session?.dispatcher?.destroy();
      }
    }
  }

  /** Gives the version that was listed. */
  async #list(session: Session, signal: AbortSignal): Promise<string> {
    const slices = new Map<string, Slice>();
    let next = '';
    for (let page = 0; page < MAX_PAGES; page++) {
      const query = { limit: String(PAGE), ...(next === '' ? {} : { continue: next }) };
      const { body } = await this.#get(session, query, AbortSignal.any([signal, AbortSignal.timeout(LIST_MS)]));
      const list = JSON.parse(await body.text()) as {
        items?: Slice[];
        metadata?: { resourceVersion?: string; continue?: string };
      };
      if (!Array.isArray(list.items) || typeof list.metadata?.resourceVersion !== 'string')
        throw new Error('not a list');
      for (const slice of list.items) slices.set(slice.metadata?.name ?? '', slice);
      next = list.metadata.continue ?? '';
      if (next !== '') continue;
      this.#listedAtMs = this.#tools.clock();
      this.#slices.clear();
      for (const [name, slice] of slices) this.#slices.set(name, slice);
      this.#tell();
      this.#backoff.reset();
      return list.metadata.resourceVersion;
    }
    throw new Error(`more than ${MAX_PAGES * PAGE} EndpointSlices`);
  }

  /** Until the server ends it; gives the last version that was told. */
  async #watch(session: Session, from: string, signal: AbortSignal): Promise<string> {
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: from,
      timeoutSeconds: String(WATCH_S),
    };
    const { body } = await this.#get(session, query, AbortSignal.any([signal, AbortSignal.timeout(WATCH_MS)]));
    let version = from;
    for await (const line of linesOf(body)) {
      const { type, object } = JSON.parse(line) as {
        type?: string;
        object?: Slice & { code?: number; message?: string };
      };
      if (type === 'ERROR') throw object?.code === 410 ? new Gone() : new Error(object?.message ?? 'an error');
      const told = object?.metadata?.resourceVersion;
      if (told !== undefined && told !== '') version = told;
      if (type === 'BOOKMARK') continue;
      const name = object?.metadata?.name ?? '';
      if (type === 'DELETED') this.#slices.delete(name);
      else if ((type === 'ADDED' || type === 'MODIFIED') && object !== undefined) this.#slices.set(name, object);
      else continue;
      this.#telling ??= setTimeout(() => this.#tell(), GATHER_MS).unref();
    }
    return version;
  }

  async #get(
    session: Session,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const { server, namespace, headers, dispatcher } = session;
    const url = new URL(
      `${server}/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices`,
    );
    url.searchParams.set('labelSelector', `kubernetes.io/service-name=${this.#spec.service}`);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    const accept = { accept: 'application/json' };
    const answer = await request(url, {
      headers: { ...headers, ...accept },
      signal,
      bodyTimeout: 0, // a watch may be silent; the signal ends it
      ...(dispatcher === undefined ? {} : { dispatcher }),
    });
    if (answer.statusCode === 200) return answer;
    const text = (await answer.body.text()).slice(0, 1000);
    if (answer.statusCode === 410) throw new Gone();
    throw new Error(`status ${answer.statusCode} ${/"message":\s*"([^"]*)"/.exec(text)?.[1] ?? ''}`.trim());
  }

  #tell(): void {
    if (this.#telling !== null) clearTimeout(this.#telling);
    this.#telling = null;
    this.#sink.found(entriesOf([...this.#slices.values()], this.#spec));
  }
}

/** Address and credentials as they are now: tokens of pods are renewed under their path. */
async function openSession(spec: KubernetesSpec): Promise<Session> {
  const config = await kubeConfigOf(spec);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error('no cluster: neither a pod of one nor a kubeconfig');
  const headers: Record<string, string> = {};
  let dispatcher: Dispatcher | undefined;
  // The two things that the client says about a request, whoever sends it.
  const context = {
    setHeaderParam: (key: string, value: string) => {
      headers[key] = value;
    },
    setDispatcher: (given: Dispatcher) => {
      dispatcher = given;
    },
  };
  await config.applySecurityAuthentication(
    context as unknown as Parameters<KubeConfig['applySecurityAuthentication']>[0],
  );
  const namespace = spec.namespace ?? config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
  return { server: cluster.server.replace(/\/+$/, ''), namespace, headers, dispatcher };
}

/** `root`: where the files of a pod's service account begin. Loads the client (0.4 s, 60 MB) the first time. */
export async function kubeConfigOf({ kubeconfig }: Pick<KubernetesSpec, 'kubeconfig'>, root = ''): Promise<KubeConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  if (kubeconfig !== null) config.loadFromFile(kubeconfig);
  else if (process.env.KUBERNETES_SERVICE_HOST) config.loadFromCluster(root);
  else config.loadFromDefault();
  return config;
}
