// Events to browsers and scripts as Server-Sent Events. A client that does not read must cost a bounded amount: it is cut
// off when its buffer is full, and there is a limit on how many there are. EventSource comes back by itself and is then
// told the recent past again, so nothing is kept for clients that are away.

import type { ServerResponse } from 'node:http';
import type { EventLog, FermatEvent } from '../types.ts';

/** Comments on a quiet stream, so that both sides and what is between them see that the other lives. ms */
const HEARTBEAT_MS = 15_000;
/** Unread bytes after which a client is cut off. */
const MAX_BUFFERED_BYTES = 256 * 1024;
const MAX_STREAMS = 32;
/** Past events that a new client is shown first. */
const REPLAYED = 100;

export interface EventStreams {
  /** Answers with the stream and keeps it; false when there are too many: nothing was written. */
  open(response: ServerResponse): boolean;
  close(): void;
  readonly count: number;
}

export function createEventStreams(events: EventLog, heartbeatMs = HEARTBEAT_MS): EventStreams {
  const responses = new Set<ServerResponse>();
  return {
    open(response) {
      if (responses.size >= MAX_STREAMS) return false;
      responses.add(response);
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
      const send = (text: string) => {
        if (response.writableLength + text.length > MAX_BUFFERED_BYTES) response.destroy();
        else response.write(text);
      };
      send(`retry: 2000\n\n${events.recent().slice(-REPLAYED).map(frameOf).join('')}`);
      const leave = events.subscribe((event) => send(frameOf(event)));
      const heartbeat = setInterval(() => send(': still here\n\n'), heartbeatMs);
      heartbeat.unref();
      response.on('error', () => undefined); // a write that crossed the client's leaving
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

/** JSON has no raw line ends, so one `data:` line is the whole of it. */
function frameOf(event: FermatEvent): string {
  return `data: ${JSON.stringify(event)}\n\n`;
}
