// What a request is hashed by, as a number: the value of a header, a cookie, or its client. The number goes to the selector;
// what it means there (policy `hash`, or stickiness within the band) is core's.

import { LRUCache } from 'lru-cache';
import { parseCidr } from '../core/ip.ts';
import { hashText } from '../core/policies/mix.ts';
import type { HashOn } from '../core/snapshot.ts';
import { FIELD } from '../wire/fields.ts';
import type { RequestHead } from '../wire/request.ts';

/** Clients whose number is remembered: IPv6 addresses take some µs to be brought to their /64. */
const CLIENTS = 4096;
const clients = new LRUCache<string, number>({ max: CLIENTS });

/** A 32-bit integer; 0 = the request has no such header or cookie. `client`: its address, '' for a UNIX socket. */
export function hashKeyOf(on: HashOn, head: RequestHead, client: string): number {
  switch (on.kind) {
    case 'client':
      return hashOfClient(client);
    case 'header':
      return hashOfHeader(head, on.name);
    case 'cookie':
      return hashOfCookie(head, on.name);
  }
}

/** All lines of the field count, in order. */
function hashOfHeader(head: RequestHead, name: string): number {
  let value = '';
  for (let i = 0; i < head.count; i++) {
    if (head.nameIs(i, name)) value = value === '' ? head.value(i) : `${value}, ${head.value(i)}`;
  }
  return value === '' ? 0 : hashText(value);
}

/** The first cookie of that name; names are case-sensitive (RFC 6265, 5.4), quotes around a value are not part of it. */
function hashOfCookie(head: RequestHead, name: string): number {
  for (let i = 0; i < head.count; i++) {
    if (head.id[i] !== FIELD.COOKIE) continue;
    const value = cookieIn(head.value(i), name);
    if (value !== '') return hashText(value);
  }
  return 0;
}

/** '' when there is none. */
export function cookieIn(line: string, name: string): string {
  for (let from = 0; from < line.length; ) {
    const semicolon = line.indexOf(';', from);
    const end = semicolon < 0 ? line.length : semicolon;
    while (from < end && line.charCodeAt(from) <= 32) from++;
    if (line.startsWith(name, from) && line.charCodeAt(from + name.length) === 61 /* = */) {
      const value = line.slice(from + name.length + 1, end).trim();
      return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
    from = end + 1;
  }
  return '';
}

/** IPv6 by /64: a household changes the rest of its address all day. */
function hashOfClient(client: string): number {
  if (client === '') return 0;
  if (!client.includes(':')) return hashText(client);
  let hash = clients.get(client);
  if (hash === undefined) {
    hash = hashText(parseCidr(`${client}/64`)?.text ?? client);
    clients.set(client, hash);
  }
  return hash;
}
