// What a process gives to the one that takes over (a hot restart), and how the two talk: over the IPC channel between parent and
// child, as JSON. Listening sockets travel as inherited descriptors; everything else may be missing or unreadable, and the
// successor then learns it anew. Both sides may be of different versions.

import { closeSync } from 'node:fs';
import { belongsTo, type ListeningSocket } from '../core/handover.ts';
import type { ListenerSpec } from '../core/snapshot.ts';

/** Set for a process that is to take over. */
export const SUCCESSOR_ENV = 'FERMAT_SUCCESSOR';
/** Counts up when the meaning of what is below changes. */
export const HANDOVER_FORM = 1;
/** Descriptors from here on are listening sockets, in the order of the handover: 0 to 2 are stdio, 3 is the channel. */
export const FIRST_FD = 4;

export interface Handover {
  readonly form: number;
  /** Version of the process that gives. */
  readonly version: string;
  /** Descriptors as the successor has them. */
  readonly sockets: readonly ListeningSocket[];
  /** The admin listener: its address as configured. null = there is none. */
  readonly admin: { readonly address: string; readonly fd: number } | null;
  /** TLS ticket keys by listener, base64: sessions go on. */
  readonly tickets: Readonly<Record<string, string>>;
  /** Last known addresses of endpoints' names: whoever restarts while DNS is down still has them. */
  readonly names: Readonly<Record<string, unknown>>;
  /** Discovery.memory(); not given by versions that had none. */
  readonly discovered?: unknown;
  /** Counters so far, told again later; not given by versions that kept them. */
  readonly counted?: unknown;
  /** Fleet.memory(). */
  readonly memory: unknown;
}

/** What the successor answers: that it serves, or why it never will. */
export type Answer =
  | { readonly type: 'ready'; readonly version: string }
  | { readonly type: 'failed'; readonly isConfig: boolean; readonly problems: readonly string[] };

/** What the one that gives tells while it drains: all that it has counted so far (metrics/inheritance.ts). */
export interface Told {
  readonly type: 'counted';
  readonly counted: unknown;
}

/** null = it is none. */
export function readTold(given: unknown): Told | null {
  return (given as Partial<Told> | null)?.type === 'counted' ? (given as Told) : null;
}

/** null = of another form: then even the sockets mean nothing to us. */
export function readHandover(given: unknown): Handover | null {
  const handover = given as Partial<Handover> | null;
  if (handover?.form !== HANDOVER_FORM || typeof handover.version !== 'string') return null;
  const { sockets, admin, tickets, names } = handover;
  if (!Array.isArray(sockets) || !sockets.every(isSocket)) return null;
  if (admin !== null && (typeof admin?.address !== 'string' || !isDescriptor(admin.fd))) return null;
  if (!isRecord(tickets) || !isRecord(names)) return null;
  return handover as Handover;
}

function isRecord(given: unknown): boolean {
  return typeof given === 'object' && given !== null;
}

function isSocket(given: unknown): given is ListeningSocket {
  const socket = given as Partial<ListeningSocket> | null;
  const isNamed = typeof socket?.name === 'string' && typeof socket.place === 'string';
  return isNamed && Number.isInteger(socket.port) && isDescriptor(socket.fd);
}

function isDescriptor(given: unknown): boolean {
  return Number.isInteger(given) && (given as number) >= FIRST_FD;
}

/** null = it is no answer. */
export function readAnswer(given: unknown): Answer | null {
  const answer = given as Partial<Answer> | null;
  if (answer?.type === 'ready' && typeof answer.version === 'string') return answer as Answer;
  if (answer?.type !== 'failed' || !Array.isArray(answer.problems)) return null;
  return { type: 'failed', isConfig: answer.isConfig === true, problems: answer.problems.map(String) };
}

/** The sockets of listeners that are wanted, under their present names. The others are closed: nobody here would accept. */
export function claim(sockets: readonly ListeningSocket[], wanted: readonly ListenerSpec[]): ListeningSocket[] {
  return sockets.flatMap((socket) => {
    const spec = wanted.find((candidate) => belongsTo(socket, candidate));
    if (spec !== undefined) return [{ ...socket, name: spec.name }];
    closeSync(socket.fd);
    return [];
  });
}
