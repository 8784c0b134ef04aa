// The thread that writes the access log. It has no event loop to speak of: it sleeps on a word of shared memory until a worker
// has put lines into an empty ring, gathers for a moment, writes, and sleeps again. Idle it costs nothing.

import { isMainThread, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { BELL, REST } from '../../core/access-log.ts';
import type { FromWriter, ToWriter, WriterBirth } from './messages.ts';
import { LineWriter, ROUND } from './writer.ts';

if (isMainThread || parentPort === null) throw new Error('access-log/thread.ts runs in a worker thread');

/** Lines come in batches, and are written many at a time. */
const GATHER_MS = 40;
/** A pipe that is full is tried again after so long, and then ever longer until it takes something: it holds 64 KiB. */
const FIRST_RETRY_MS = 0.25;
const LAST_RETRY_MS = 25;

const port = parentPort;
const birth = workerData as WriterBirth;
const words = new Int32Array(birth.bell);
const writer = new LineWriter(birth, (message) => port.postMessage({ type: 'trouble', message } satisfies FromWriter));

run();
writer.close();
Atomics.store(words, BELL.ENDED, 1);
Atomics.notify(words, BELL.ENDED);

/** Until it is told to stop, and then until all is written or the time is up. */
function run(): void {
  let retryMs = FIRST_RETRY_MS;
  let untilMs = Number.POSITIVE_INFINITY;
  for (;;) {
    const rung = Atomics.load(words, BELL.RUNG);
    obey();
    const stopMs = Atomics.load(words, BELL.STOP);
    if (stopMs > 0) untilMs = Math.min(untilMs, performance.now() + stopMs);
    const round = writer.round(performance.now());
    if (stopMs > 0 && writer.isEmpty) return;
    if (performance.now() >= untilMs) return writer.giveUp();
    if (round === ROUND.FULL) retryMs = FIRST_RETRY_MS;
    if (round === ROUND.STUCK || round === ROUND.FULL) {
      rest(REST.NONE, rung, retryMs); // nobody who puts more in would help
      retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
      continue;
    }
    retryMs = FIRST_RETRY_MS;
    if (stopMs > 0) continue;
    if (round === ROUND.WRITTEN) rest(REST.GATHERING, rung, GATHER_MS);
    else sleep(rung);
  }
}

function sleep(rung: number): void {
  Atomics.store(words, BELL.REST, REST.ASLEEP);
  // Whoever has put lines in before that word was there has not rung.
  if (writer.isEmpty) Atomics.wait(words, BELL.RUNG, rung);
  Atomics.store(words, BELL.REST, REST.NONE);
}

function rest(how: number, rung: number, ms: number): void {
  Atomics.store(words, BELL.REST, how);
  Atomics.wait(words, BELL.RUNG, rung, ms);
  Atomics.store(words, BELL.REST, REST.NONE);
}

function obey(): void {
  for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
    writer.use((got.message as ToWriter).file);
  }
}
