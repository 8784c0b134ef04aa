// `fermat register`: tells edges that an endpoint is there, again and again, until it is told to end; then that it leaves. Beside an
// app, or around one (`-- CMD`). How one edge is told is register/edge.ts, how the app is run register/app.ts.

import { parseDuration, parseEndpointUrl } from '../control/config/values.ts';
import { MAX_TTL_MS, MIN_TTL_MS } from '../control/discovery/signing.ts';
import { CliError, complain, EXIT, print } from './exit.ts';
import { App } from './register/app.ts';
import { Edge, type Told } from './register/edge.ts';

export interface RegisterFlags {
  readonly pool: string;
  readonly url: string;
  /** Edges: http://host:port of their admin listeners. */
  readonly to: readonly string[];
  readonly token?: string;
  readonly id?: string;
  readonly region?: string;
  readonly weight?: number;
  readonly capacity?: number;
  readonly egress?: number;
  readonly label: readonly string[];
  readonly ttl: string;
  readonly leaveDelay: string;
  readonly once?: boolean;
  readonly json?: boolean;
}

/** Until a signal, or the end of the command; gives 0, or the command's exit code. `--once`: 0 when every edge has taken it. */
export async function register(command: readonly string[], flags: RegisterFlags): Promise<number> {
  const endpoint = endpointOf(flags);
  const ttlMs = durationOf('--ttl', flags.ttl, MIN_TTL_MS, MAX_TTL_MS);
  const leaveDelayMs = durationOf('--leave-delay', flags.leaveDelay, 0, 60_000);
  const token = flags.token ?? process.env.FERMAT_REGISTER_TOKEN;
  if (!token) throw new CliError('--token or FERMAT_REGISTER_TOKEN: the token of the pool is missing', EXIT.USAGE);
  if (flags.to.length === 0) throw new CliError('--to: expected the edges, http://host:port', EXIT.USAGE);
  const common = { pool: flags.pool, url: endpoint.url, endpoint, ttlMs, token, stamp: stamps() };
  const tell = teller(flags);
  const edges = flags.to.map((to) => new Edge(to, common, tell));
  if (flags.once) return once(edges, command);
  if (command.length === 0) return beside(edges);
  return around(edges, new App(command, endpoint.url, complain), leaveDelayMs);
}

async function once(edges: readonly Edge[], command: readonly string[]): Promise<number> {
  if (command.length > 0) throw new CliError('--once does not run a command', EXIT.USAGE);
  const taken = await Promise.all(edges.map((edge) => edge.once()));
  return taken.every(Boolean) ? EXIT.OK : EXIT.FAILED;
}

async function beside(edges: readonly Edge[]): Promise<number> {
  const told = nextSignal();
  for (const edge of edges) edge.start();
  await told;
  await Promise.all(edges.map((edge) => edge.leave()));
  return EXIT.OK;
}

/** Registers when the app's port accepts connections. The edges hear of its end before it does, so that it can end what it has. */
async function around(edges: readonly Edge[], app: App, leaveDelayMs: number): Promise<number> {
  const told = nextSignal();
  app.start();
  const first = await Promise.race([app.accepting, app.ended, told]);
  if (first === true) for (const edge of edges) edge.start();
  const end = await Promise.race([app.ended, told]);
  await Promise.all(edges.map((edge) => edge.leave()));
  if (typeof end === 'string') {
    const pause = new Promise((resolve) => setTimeout(resolve, leaveDelayMs).unref());
    await Promise.race([app.ended, pause]);
    app.kill(end);
  }
  return app.ended;
}

/** The first TERM or INT; the second ends at once. */
function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let isTold = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (isTold) process.exit(EXIT.FAILED);
        isTold = true;
        resolve(signal);
      });
    }
  });
}

/** As the edges take it. */
function endpointOf({ url, id, region, weight, capacity, egress, label }: RegisterFlags) {
  const parsed = parseEndpointUrl(url);
  if (typeof parsed === 'string') throw new CliError(`--url: ${parsed}: expected http://host:port`, EXIT.USAGE);
  if (parsed.socketPath !== null) throw new CliError('--url: edges cannot reach a socket of this machine', EXIT.USAGE);
  const labels = label.map((text) => {
    const at = text.indexOf('=');
    if (at < 1) throw new CliError(`--label: expected NAME=VALUE, got ${text}`, EXIT.USAGE);
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  const all = {
    url: parsed.url,
    id,
    region,
    weight,
    capacity,
    egressUsdPerGb: egress,
    labels: Object.fromEntries(labels),
  };
  return { ...all, ...(labels.length === 0 ? { labels: undefined } : {}) };
}

function durationOf(flag: string, text: string, fromMs: number, toMs: number): number {
  const ms = parseDuration(text);
  if (ms !== null && ms >= fromMs && ms <= toMs) return ms;
  throw new CliError(
    `${flag}: expected a duration from ${fromMs} ms to ${toMs / 1000} s, such as 10s, got ${text}`,
    EXIT.USAGE,
  );
}

/** Wall clock, ms; never the same twice, or an edge would take the second for a replay. */
function stamps(): () => number {
  let last = 0;
  return () => {
    last = Math.max(Date.now(), last + 1);
    return last;
  };
}

function teller({ json, pool, url }: RegisterFlags): (told: Told) => void {
  return ({ event, edge, message }) => {
    if (json) print(JSON.stringify({ at: new Date().toISOString(), event, edge, pool, url, message }));
    else if (event === 'failed') complain(`${edge}: ${message}`);
    else print(`${edge}: ${message}`);
  };
}
