// `npm start`: a newcomer watches real requests choose the fastest of several real endpoints. Real origins on loopback, as
// late as their regions are far away; the real proxy before them; some traffic; a table. Here everything is started in
// order and ended in the reverse order, whatever happens; the parts do not know each other.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configOf } from './config.ts';
import { openControlPort } from './control.ts';
import { type Action, Fleet } from './fleet.ts';
import { planOf } from './plan.ts';
import { type RunningProxy, startProxy } from './proxy.ts';
import { jsonScreen, plainScreen, readKeys, type Screen, terminalScreen } from './screen.ts';
import { startTraffic, type TrafficView } from './traffic.ts';
import { Watch } from './watch.ts';

export interface DemoOptions {
  /** Where the proxy stands: `aws:eu-central-1`. */
  readonly edge: string;
  /** null = six from near to far. */
  readonly regions: string[] | null;
  /** 0 = any free port. */
  readonly port: number;
  readonly adminPort: number;
  /** Addresses and what happens, but no table and no summaries. */
  readonly quiet: boolean;
  readonly traffic: boolean;
  readonly json?: boolean;
}

/** What is said when the demo cannot run, and how it ends. */
class DemoError extends Error {
  readonly code: number;
  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

const REQUESTS_PER_SECOND = 30;
const DONE = { degrade: 'degraded', kill: 'killed', revive: 'revived' } as const satisfies Record<Action, string>;

/** How and when it ends; only the first `end` counts. */
interface Ending {
  readonly code: Promise<number>;
  readonly signal: AbortSignal;
  end(code: number, why?: string): void;
}

/** Runs until `q`, SIGINT, SIGTERM or SIGHUP. Resolves with the exit code: 0, 1 when something failed, 2 for bad options. */
export async function demo(options: DemoOptions): Promise<number> {
  await using cleanup = new AsyncDisposableStack();
  const ending = newEnding();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const end = () => ending.end(0);
    process.on(name, end);
    cleanup.defer(() => void process.off(name, end));
  }
  try {
    await play(options, cleanup, ending);
  } catch (error) {
    ending.end(error instanceof DemoError ? error.code : 1, (error as Error).message);
  }
  return await ending.code;
}

function newEnding(): Ending {
  const { promise, resolve } = Promise.withResolvers<number>();
  const over = new AbortController();
  return {
    code: promise,
    signal: over.signal,
    end(code, why) {
      if (why !== undefined && !over.signal.aborted) process.stderr.write(`fermat demo: ${why}\n`);
      over.abort();
      resolve(code);
    },
  };
}

/** Starts all parts; each leaves behind in `cleanup` how it is ended. */
async function play(options: DemoOptions, cleanup: AsyncDisposableStack, ending: Ending): Promise<void> {
  const plan = planOf(options.edge, options.regions);
  if (plan.problem !== null) throw new DemoError(plan.problem, 2);
  await mustBeFree(options.port, '--port');
  await mustBeFree(options.adminPort, '--admin-port');

  const screen = screenOf(options);
  process.stdout.once('error', () => ending.end(0)); // whoever read it has gone
  const fleet = await Fleet.start(options.edge, plan.origins);
  cleanup.defer(() => fleet.stop());
  const proxy = await startGuarded(options, fleet, cleanup, ending.signal);
  void proxy.ended.then((how) => ending.end(1, `the proxy ended with ${how}\n  ${proxy.log().join('\n  ')}`));
  void fleet.ended.then(() => ending.end(1, "the origins' process ended"));

  const traffic = options.traffic
    ? startTraffic({ url: `${proxy.url}/`, requestsPerSecond: REQUESTS_PER_SECOND, random: Math.random })
    : null;
  cleanup.defer(() => traffic?.stop());
  const watch = new Watch(proxy.adminUrl, plan.origins, (region) => fleet.stateOf(region));

  const act = async (action: Action, region: string | null) => {
    const deed = await fleet.act(action, region);
    const line = deed.problem ?? `${DONE[action]} ${(deed as { region: string }).region}`;
    screen.note(line, { action, ...deed });
    return deed;
  };
  const state = async () => {
    await watch.poll();
    return { edge: options.edge, regions: watch.view(), traffic: traffic?.view() ?? null };
  };
  const control = await openControlPort(options.adminPort === 0 ? 0 : options.adminPort + 1, { act, state });
  cleanup.defer(() => control.close());
  cleanup.defer(readKeys(process.stdin, (key) => (key === 'quit' ? ending.end(0) : void act(key, null))));

  announce(screen, options, proxy, control.url);
  cleanup.defer(keepShowing(screen, watch, () => traffic?.view() ?? null));
}

/** The proxy, with a keeper that ends it should this process vanish. */
async function startGuarded(
  options: DemoOptions,
  fleet: Fleet,
  cleanup: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<RunningProxy> {
  const folder = mkdtempSync(join(tmpdir(), 'fermat-demo-'));
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'fermat.yaml');
  writeFileSync(file, configOf({ ...options, plans: fleet.plans, ports: fleet.ports }));
  const proxy = await startProxy(file, signal, (pid) => fleet.guard(pid, folder));
  cleanup.defer(() => proxy.stop());
  return proxy;
}

function screenOf({ json, quiet }: DemoOptions): Screen {
  if (json) return jsonScreen(process.stdout, quiet);
  return process.stdout.isTTY && !quiet ? terminalScreen(process.stdout) : plainScreen(process.stdout, quiet);
}

function announce(screen: Screen, options: DemoOptions, proxy: RunningProxy, controlUrl: string): void {
  const { url, adminUrl } = proxy;
  const other = options.adminPort === 9901 ? '' : ` --admin ${adminUrl}`;
  screen.say(
    [
      `Fermat demo: the edge stands in ${options.edge}; its origins are as late as their regions are far away.`,
      '',
      `  try      curl -i ${url}/`,
      `  console  ${adminUrl}/ui/`,
      `  metrics  ${adminUrl}/metrics`,
      `  explain  bin/fermat explain --client 84.128.20.7${other}`,
      `  break it curl -X POST ${controlUrl}/kill   (or /degrade, /revive; ?region=NAME)`,
    ],
    { edge: options.edge, url, adminUrl, controlUrl, pid: process.pid, proxyPid: proxy.pid },
  );
}

/** Once a second: asks the proxy, draws; and says so when another region has become the one that serves most. */
function keepShowing(screen: Screen, watch: Watch, traffic: () => TrafficView | null): () => void {
  let leader: string | null = null;
  let timer: NodeJS.Timeout;
  let isOver = false;
  async function show(): Promise<void> {
    await watch.poll();
    if (isOver) return;
    const regions = watch.view();
    const first = regions.reduce((a, b) => (b.share > a.share ? b : a));
    if (first.share > 0.5 && first.region !== leader) {
      screen.note(`traffic goes to ${first.region}`, { leader: first.region, before: leader });
      leader = first.region;
    }
    screen.show(regions, traffic());
    timer = setTimeout(show, 1000);
  }
  void show();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

/** Refuses a port that is taken before anything is started, and says what to do. */
async function mustBeFree(port: number, flag: string): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  const problem = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    server.once('error', resolve);
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(null)));
  });
  if (problem?.code === 'EADDRINUSE') {
    throw new DemoError(`port ${port} is in use: end what listens there, or choose another with ${flag} 0`, 1);
  }
  if (problem) throw new DemoError(`port ${port}: ${problem.message}`, 1);
}
