// Bytes on the connections to Redis, whatever of them come and go; over TLS, as they are before it.

import { Cluster, type Redis } from 'ioredis';

interface Counted {
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
}

export class Traffic {
  #received = 0;
  #sent = 0;
  readonly #open = new Set<Counted>();

  get received(): number {
    let sum = this.#received;
    for (const { bytesRead = 0 } of this.#open) sum += bytesRead;
    return sum;
  }

  get sent(): number {
    let sum = this.#sent;
    for (const { bytesWritten = 0 } of this.#open) sum += bytesWritten;
    return sum;
  }

  /** Counts all its connections from now on. */
  watch(client: Redis | Cluster): void {
    if (client instanceof Cluster) client.on('+node', (node: Redis) => this.#watch(node));
    else this.#watch(client);
  }

  #watch(redis: Redis): void {
    redis.on('connect', () => {
      const { stream } = redis;
      const counted = stream as Counted;
      this.#open.add(counted);
      stream.once('close', () => {
        if (!this.#open.delete(counted)) return;
        this.#received += counted.bytesRead ?? 0;
        this.#sent += counted.bytesWritten ?? 0;
      });
    });
  }
}
