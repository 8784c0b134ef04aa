// One worker thread: builds a data plane from what the control plane hands over, and obeys its messages. Whatever goes
// wrong here unexpectedly ends the thread; the supervisor starts another. It never goes on in an unknown state.

import { getHeapStatistics } from 'node:v8';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { openGeo } from '../geoip/reader.ts';
import { nowMs } from './clock.ts';
import { Census } from './core/census.ts';
import { belongsTo, type ListeningSocket, placeOf } from './core/handover.ts';
import { LaneWriter } from './core/lane-writer.ts';
import type { Drain, FromWorker, SharedFile, TicketKeyring, ToWorker, WorkerBirth } from './core/messages.ts';
import type { Router } from './core/router.ts';
import type { ListenerSpec, Snapshot } from './core/snapshot.ts';
import { drain } from './data/drain.ts';
import { Handshakes } from './data/handshakes.ts';
import { Listener } from './data/listener.ts';
import { Plane } from './data/plane.ts';

if (isMainThread || parentPort === null)
  throw new Error('worker.ts runs in a worker thread; start Fermat with bin/fermat');

const BEAT_MS = 250;

const port = parentPort;
const birth = workerData as WorkerBirth;
const say = (message: FromWorker): void => port.postMessage(message);

const writer = new LaneWriter(birth.laneBuffer);
const census = new Census(birth.census, birth.lane);
const plane = new Plane({
  lane: birth.lane,
  writer,
  clock: nowMs,
  random: Math.random,
  loopId: birth.loopId,
  snapshot: birth.snapshot,
  census,
  rateLimits: birth.rateLimits,
  wrapRouter: plantBug(process.env.FERMAT_TEST_CRASH_PATH),
  onQuiet: (version) => say({ type: 'quiet', version }),
  onUnproxied: (listener, address, why) => say({ type: 'unproxied', listener, address, why }),
  onSpans: (batch) => say({ type: 'spans', batch }),
});
const listeners = new Map<string, Listener>();
const handshakes = new Handshakes(plane);
let { tickets } = birth;

installGeo(birth.geo);
plane.learnAddresses(birth.addresses);
for (const [name, buffer] of Object.entries(birth.localities)) plane.directories.install(name, buffer);
void installListeners(birth.snapshot, birth.ports, birth.inherited);
startBeat();
// Also of a worker that dies of an error: what it has answered is in the log.
process.once('exit', () => plane.access.flush());

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'snapshot':
      plane.install(message.snapshot);
      void installListeners(message.snapshot, message.ports);
      return;
    case 'geo':
      installGeo(message.files);
      return;
    case 'measured':
      plane.measured = { text: message.text, atMs: nowMs() };
      return;
    case 'addresses':
      plane.learnAddresses(message.addresses);
      return;
    case 'locality':
      plane.directories.install(message.name, message.buffer);
      return;
    case 'tickets':
      installTickets(message.keys);
      return;
    case 'sockets':
      say({ type: 'sockets', sockets: [...listeners.values()].flatMap((listener) => listener.sockets) });
      return;
    case 'traced':
      plane.tracer.taken(message.spans);
      return;
    case 'drain':
      void end(message);
  }
});

/** For the tests of a worker's death: a request for `path` (or that and how) does what a bug of ours would. */
function plantBug(path: string | undefined): (router: Router) => Router {
  if (path === undefined) return (router) => router;
  return (router) => ({
    match: (host, target, listener) => {
      if (target === path) throw new Error(`FERMAT_TEST_CRASH_PATH ${path} was requested`);
      if (target === `${path}?reject`) void Promise.reject(new Error(`FERMAT_TEST_CRASH_PATH ${target} was requested`));
      if (target === `${path}?hang`) for (;;);
      if (target === `${path}?late`) for (const untilMs = nowMs() + 20; nowMs() < untilMs; );
      if (target === `${path}?stall`) for (const untilMs = nowMs() + 1000; nowMs() < untilMs; );
      return router.match(host, target, listener);
    },
  });
}

function installGeo(files: readonly SharedFile[]): void {
  plane.installGeo(files.length === 0 ? null : openGeo(files));
}

function installTickets(keys: TicketKeyring): void {
  tickets = keys;
  for (const { spec, tls } of listeners.values()) {
    const key = keys[spec.name];
    if (key !== undefined) tls?.setTicketKey(key);
  }
}

/** What listens at the same place is the same listener, whatever it is called now. `:0` is another port for every name. */
function keyOf(spec: ListenerSpec): string {
  return spec.path === null && spec.port === 0 ? `${spec.name}|${placeOf(spec)}` : placeOf(spec);
}

async function installListeners(
  snapshot: Snapshot,
  ports: Readonly<Record<string, number>>,
  inherited: readonly ListeningSocket[] = [],
): Promise<void> {
  const wanted = new Map(snapshot.listeners.map((spec) => [keyOf(spec), spec]));
  for (const [key, listener] of listeners) {
    if (wanted.has(key)) continue;
    listener.close();
    listeners.delete(key);
  }
  const bound: Record<string, number> = {};
  for (const [key, spec] of wanted) {
    // A UNIX socket has no SO_REUSEPORT: the first worker serves it alone.
    if (spec.path !== null && birth.lane !== 0) continue;
    const known = listeners.get(key);
    const port = ports[spec.name] ?? spec.port;
    const listener = known ?? new Listener(plane, census, handshakes, birth.connectionCap, spec, port);
    const taken = inherited.filter((socket) => belongsTo(socket, spec));
    try {
      listener.install(spec, tickets[spec.name]);
      if (known === undefined) await listener.listen(process.platform === 'linux', taken);
    } catch (error) {
      if (known === undefined) listener.close(taken.length > 0); // some of its sockets may be open
      const { code, message } = error as NodeJS.ErrnoException;
      say({ type: 'refused', version: snapshot.version, listener: spec.name, code: code ?? 'ERROR', message });
      return;
    }
    listeners.set(key, listener);
    bound[spec.name] = listener.port;
  }
  say({ type: 'installed', version: snapshot.version, ports: bound });
}

async function end(steps: Drain): Promise<void> {
  await drain(plane, listeners.values(), steps);
  plane.access.flush();
  plane.tracer.flush();
  say({ type: 'drained' });
}

/** Tells the control plane that the loop turns, and how late. */
function startBeat(): void {
  writer.beat(0, getHeapStatistics().used_heap_size); // born: its code has been read
  let dueMs = nowMs() + BEAT_MS;
  setInterval(() => {
    const now = nowMs();
    writer.beat(Math.max(0, now - dueMs), getHeapStatistics().used_heap_size);
    plane.beat();
    dueMs = now + BEAT_MS;
  }, BEAT_MS).unref();
}
