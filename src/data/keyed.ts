// What of a request names whom it is of: a header, a cookie, a part of the path, the client's address. Its bytes go into a 64-bit
// name (core/key-hash.ts) where they lie in the head; no string is made of them. For limits and for locality. What an endpoint is
// chosen by within a pool has a hash of its own, of 32 bits (sticky.ts).

import { LRUCache } from 'lru-cache';
import { parseCidr } from '../core/ip.ts';
import type { KeyHash } from '../core/key-hash.ts';
import { isDotSegment, normalisePath, SUSPECT } from '../core/path.ts';
import type { KeySpec } from '../core/snapshot.ts';
import { FIELD } from '../wire/fields.ts';
import type { RequestHead } from '../wire/request.ts';

const EQUALS = 0x3d;
const SEMICOLON = 0x3b;
const QUOTE = 0x22;
const SLASH = 0x2f;
const QUERY = 0x3f;
const COMMA = ', ';

/** IPv6 addresses whose /64 is remembered: to name it takes some µs. */
const NETWORKS = 4096;
const networks = new LRUCache<string, string>({ max: NETWORKS });

/** Adds the key to `hash`, between its `begin` and `end`. False = the request has none. `client`: its address, '' for a UNIX socket. */
export function addKey(hash: KeyHash, on: KeySpec, head: RequestHead, client: string): boolean {
  switch (on.kind) {
    case 'route':
      return true;
    case 'client':
      return addClient(hash, client);
    case 'header':
      return addHeader(hash, head, on.name);
    case 'cookie':
      return addCookie(hash, head, on.name);
    case 'path':
      return addSegment(hash, head.path, on.segment);
  }
}

/** IPv4 whole, IPv6 by /64: a household changes the rest of its address all day. */
function addClient(hash: KeyHash, client: string): boolean {
  if (client === '') return false;
  const text = client.includes(':') ? networkOf(client) : client;
  hash.add(text, 0, text.length);
  return true;
}

function networkOf(client: string): string {
  let network = networks.get(client);
  if (network === undefined) {
    network = parseCidr(`${client}/64`)?.text ?? client;
    networks.set(client, network);
  }
  return network;
}

/** All lines of the field count, in order. An empty value is none. */
function addHeader(hash: KeyHash, head: RequestHead, name: string): boolean {
  let isThere = false;
  for (let i = 0; i < head.count; i++) {
    if (!head.nameIs(i, name) || head.valueAt[i] === head.valueEnd[i]) continue;
    if (isThere) hash.add(COMMA, 0, COMMA.length);
    hash.add(head.text, head.valueAt[i]!, head.valueEnd[i]!);
    isThere = true;
  }
  return isThere;
}

/** The first cookie of that name; names are case-sensitive (RFC 6265, 5.4), quotes around a value are not part of it. */
function addCookie(hash: KeyHash, head: RequestHead, name: string): boolean {
  for (let i = 0; i < head.count; i++) {
    if (head.id[i] === FIELD.COOKIE && addCookieOf(hash, head.text, head.valueAt[i]!, head.valueEnd[i]!, name))
      return true;
  }
  return false;
}

function addCookieOf(hash: KeyHash, text: string, from: number, to: number, name: string): boolean {
  for (let at = from; at < to; at++) {
    let end = at;
    while (end < to && text.charCodeAt(end) !== SEMICOLON) end++;
    while (at < end && text.charCodeAt(at) <= 32) at++;
    const valueAt = at + name.length + 1;
    if (valueAt <= end && text.charCodeAt(valueAt - 1) === EQUALS && text.startsWith(name, at)) {
      return addTrimmed(hash, text, valueAt, end);
    }
    at = end;
  }
  return false;
}

function addTrimmed(hash: KeyHash, text: string, from: number, to: number): boolean {
  let [at, end] = [from, to];
  while (at < end && text.charCodeAt(at) <= 32) at++;
  while (end > at && text.charCodeAt(end - 1) <= 32) end--;
  if (end - at > 1 && text.charCodeAt(at) === QUOTE && text.charCodeAt(end - 1) === QUOTE) {
    at++;
    end--;
  }
  hash.add(text, at, end);
  return end > at;
}

/** The `segment`-th part of the path, from 1, as routes see it: other spellings of the same path are the same key. */
function addSegment(hash: KeyHash, raw: string, segment: number): boolean {
  const path = isPlain(raw) ? raw : (normalisePath(raw) ?? raw);
  let at = 0;
  for (let n = 0; n < segment; n++) {
    at = n === 0 ? path.indexOf('/') : segmentEnd(path, at);
    if (at < 0 || at >= path.length || path.charCodeAt(at) !== SLASH) return false;
    at++;
  }
  const end = segmentEnd(path, at);
  hash.add(path, at, end);
  return end > at;
}

function segmentEnd(path: string, from: number): number {
  let at = from;
  for (; at < path.length; at++) {
    const c = path.charCodeAt(at);
    if (c === SLASH || c === QUERY) break;
  }
  return at;
}

/** Nothing in it can be spelt in another way. */
function isPlain(path: string): boolean {
  for (let at = 0; at < path.length; at++) {
    const c = path.charCodeAt(at);
    if (c === QUERY) return true;
    if (c > 255 || SUSPECT[c] === 1) return false;
    if (c === SLASH && (path.charCodeAt(at + 1) === SLASH || isDotSegment(path, at + 1))) return false;
  }
  return true;
}
