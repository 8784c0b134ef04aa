// What a connection to an endpoint asks of the pool it belongs to. Apart from both, since each pool makes connections.

import type { Plane } from '../plane.ts';
import type { ClientConnection } from './client.ts';
import type { DialTarget } from './dial.ts';

export interface ConnectionOwner extends DialTarget {
  readonly plane: Plane;
  /** It is free again. */
  giveBack(connection: ClientConnection): void;
  /** It can be lent no more. */
  unlist(connection: ClientConnection): void;
  /** It is established; it goes to its first user next if that still waits. */
  connected(connection: ClientConnection): void;
  /** It has answered something for the first time. */
  answered(): void;
  /** Its socket is closed. */
  forget(connection: ClientConnection): void;
}
