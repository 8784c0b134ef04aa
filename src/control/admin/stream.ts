// Answers that do not end, as Server-Sent Events. A client that does not read must cost a bounded amount: it is cut off when its
// buffer is full, and there is a limit on how many there are. EventSource comes back by itself and is then told the recent past
// again, so nothing is kept for clients that are away. What is said, others know.

import type { ServerResponse } from 'node:http';
import type { LiveApi } from '../live/types.ts';
import type { EventLog, FermatEvent } from '../types.ts';
import { SAFE } from './answers.ts';

/** Comments on a quiet stream, so that both sides and what is between them see that the other lives. ms */
const HEARTBEAT_MS = 15_000;
/** Unread bytes after which a client is cut off; on top of what it was told at once to begin with. */
const MAX_BUFFERED_BYTES = 256 * 1024;
const MAX_STREAMS = 32;
/** Past events that a new client is shown first. */
const REPLAYED = 100;
/** When the client is to come back. */
const RETRY = 'retry: 2000\n\n';

/** Writes one frame or more. `isWhole`: it may be big, and what does not fit yet is not held against the client. */
export type Send = (frames: string | Uint8Array, isWhole?: boolean) => void;

export interface Streams {
  /** Answers with the stream and keeps it; false when there are too many: nothing was written. */
  open(response: ServerResponse): boolean;
  close(): void;
  readonly count: number;
}

/** `begin` is called for every new client, and gives what is to be called when it has left. */
export function createStreams(begin: (send: Send) => () => void, heartbeatMs = HEARTBEAT_MS): Streams {
  const responses = new Set<ServerResponse>();
  return {
    open(response) {
      if (responses.size >= MAX_STREAMS) return false;
      responses.add(response);
      // It lasts as long as its connection: on one that was kept, EventSource would come back to a process that has handed over.
      response.shouldKeepAlive = false;
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        ...SAFE,
        'x-accel-buffering': 'no',
      });
      // Of the last two that may be unread: one on its way, and the next, when the structure was another meanwhile.
      let wholeBytes: readonly [number, number] = [0, 0];
      const send: Send = (frames, isWhole = false) => {
        if (response.writableEnded || response.destroyed) return;
        const bytes = Buffer.byteLength(frames);
        if (isWhole) wholeBytes = [wholeBytes[1], bytes];
        if (response.writableLength + bytes > MAX_BUFFERED_BYTES + wholeBytes[0] + wholeBytes[1]) response.destroy();
        else response.write(frames);
      };
      response.on('drain', () => {
        wholeBytes = [0, 0];
      });
      response.on('error', () => undefined); // a write that crossed the client's leaving
      send(RETRY);
      const leave = begin(send);
      const heartbeat = setInterval(() => send(': still here\n\n'), heartbeatMs);
      heartbeat.unref();
      response.once('close', () => {
        leave();
        clearInterval(heartbeat);
        responses.delete(response);
      });
      return true;
    },
    close() {
      for (const response of responses) response.end();
    },
    get count() {
      return responses.size;
    },
  };
}

/** The recent past, then what happens. */
export function createEventStreams(events: EventLog): Streams {
  return createStreams((send) => {
    send(events.recent().slice(-REPLAYED).map(frameOf).join(''), true);
    return events.subscribe((event) => send(frameOf(event)));
  });
}

/** Everything that moves, for the console. */
export function createLiveStreams(live: LiveApi): Streams {
  return createStreams((send) => live.follow(send));
}

/** JSON has no raw line ends, so one `data:` line is the whole of it. */
function frameOf(event: FermatEvent): string {
  return `data: ${JSON.stringify(event)}\n\n`;
}
