// All origins of the console's rig in one light process: an address of 127.0.0.0/8 each, one port, every answer as late as its
// region is far away and its server slow. Told by messages what each is to do; ends with its parent.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface OriginPlan {
  /** Loopback address. */
  readonly host: string;
  /** Round trip to the edge and back, and the mean of its server's work. ms */
  readonly rttMs: number;
  readonly serverMs: number;
  /** Answers probes and requests well; `sick`: probes with 503 after a while; `failing`: requests with 500; `dead`: nobody listens. */
  readonly health: 'well' | 'sick' | 'failing' | 'dead';
}

/** Longer than the proxy's pool keeps a connection. */
const KEEP_ALIVE_MS = 65_000;
/** So long a sick one seems well: its way is known by then. */
const INCUBATION_MS = 15_000;
const BODY = JSON.stringify({ ok: true, note: 'about 130 bytes of JSON, as an API would say'.padEnd(100, '.') });

async function serve(plans: readonly OriginPlan[]): Promise<number> {
  const byHost = new Map(plans.map((plan) => [plan.host, plan]));
  let port = 0;
  for (const plan of plans) {
    if (plan.health === 'dead') continue;
    const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (req, res) => {
      answer(req, res, byHost.get(req.socket.localAddress ?? '') ?? plan);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, plan.host, resolve);
    });
    port = (server.address() as AddressInfo).port;
  }
  return port;
}

function answer(req: IncomingMessage, res: ServerResponse, { rttMs, serverMs, health }: OriginPlan): void {
  const isProbe = req.url === '/health';
  const isBad = isProbe ? health === 'sick' && performance.now() > INCUBATION_MS : health === 'failing';
  // Exponential, as servers with a little queue are.
  const workMs = isProbe ? 0.2 : -Math.log(1 - Math.random()) * serverMs;
  req.resume();
  const send = () => {
    res.writeHead(isBad ? (isProbe ? 503 : 500) : 200, { 'content-type': 'application/json' }).end(BODY);
  };
  const waitMs = rttMs + workMs;
  if (waitMs < 1) send();
  else setTimeout(send, waitMs);
}

process.on('message', (plans: readonly OriginPlan[]) => {
  serve(plans).then(
    (port) => process.send?.({ port }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
