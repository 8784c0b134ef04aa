// Pieces of JSON lines that many of them share, made when they change and kept by the exchange (noted.ts): who asks and how, which
// way it went, how it ended.

import { ROLE_NAMES } from '../../core/selector.ts';
import { flat } from '../../wire/write.ts';
import type { Problem } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { attemptsOf, HEDGED } from '../hedge.ts';
import type { Ending } from '../settle.ts';
import { clientOf, type Noted } from './noted.ts';
import { jsonName, jsonText } from './text.ts';

/** By ENDING. */
const OUTCOMES = ['answered', 'refused', 'cut', 'client_gone'] as const;
export const NO_ENDPOINT = ',"endpoint":null,"region":null,"role":null';
export const NO_ROUTE = ',"route":null,"pool":null';
const TRACE_ID = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const NO_ROLE = ROLE_NAMES.length;

/** Who asks, and how: the same for most requests of a connection. */
export function askerOf(ex: Exchange, noted: Noted): string {
  const { who, how } = noted;
  const whoNow = whoOf(ex, noted);
  const howNow = howOf(ex, noted);
  if (noted.asker === '' || whoNow !== who || howNow !== how) noted.asker = flat(whoNow + howNow);
  return noted.asker;
}

/** Put together for good only when the line before had the same: paths that never come again are not worth it. */
export function frontOf(noted: Noted, asker: string, asked: string, ending: string): string {
  if (asked === noted.frontAsked && ending === noted.frontEnding && asker === noted.frontAsker) {
    if (noted.front === '') noted.front = flat(asker + asked + ending);
    return noted.front;
  }
  noted.front = '';
  noted.frontAsker = asker;
  noted.frontAsked = asked;
  noted.frontEnding = ending;
  return asker + asked + ending;
}

function whoOf(ex: Exchange, noted: Noted): string {
  const { place } = ex.books;
  const client = clientOf(ex, noted);
  if (client === noted.client && place === noted.place && noted.who !== '') return noted.who;
  noted.client = client;
  noted.place = place;
  const { peer } = ex.down;
  const via = client === peer.address || peer.address === '' ? '' : `,"peer":"${jsonText(peer.address)}"`;
  const name = client === '' ? 'null' : `"${jsonText(client)}"`;
  noted.who = flat(`","client":${name},"country":${jsonName(place.country)},"asn":${place.asn ?? 'null'}${via}`);
  return noted.who;
}

function howOf({ head, down }: Exchange, noted: Noted): string {
  const { method, authority } = head;
  const minor = head.isH2 ? 2 : head.minor;
  if (method === noted.method && authority === noted.authority && minor === noted.minor && noted.how !== '')
    return noted.how;
  noted.method = method;
  noted.authority = authority;
  noted.minor = minor;
  const protocol = minor === 2 ? 'HTTP/2.0' : `HTTP/1.${minor}`;
  const scheme = down.peer.tls === null ? 'http' : 'https';
  const asked = `"method":"${jsonText(method)}","host":"${jsonText(authority)}","path":"`;
  noted.how = flat(`,"protocol":"${protocol}","scheme":"${scheme}",${asked}`);
  return noted.how;
}

/** Route, endpoint and how often it was tried: the same for most requests of a client. */
export function wayOf(ex: Exchange, noted: Noted): string {
  const { route, books, attempts } = ex;
  const { endpoint } = books;
  const role = attempts === 0 || route?.isRelay === true ? NO_ROLE : books.role; // where nothing was picked
  const { hedged } = ex;
  if (
    noted.way !== '' &&
    route === noted.route &&
    endpoint === noted.endpoint &&
    role === noted.role &&
    attempts === noted.attempts &&
    hedged === noted.hedged
  )
    return noted.way;
  noted.route = route;
  noted.endpoint = endpoint;
  noted.role = role;
  noted.attempts = attempts;
  noted.hedged = hedged;
  const { name } = route === null ? { name: null } : route.spec;
  const routed =
    route === null ? NO_ROUTE : `,"route":${jsonName(name)},"pool":${jsonName(route.pool?.spec.name ?? null)}`;
  const placed =
    endpoint === null
      ? NO_ENDPOINT
      : `,"endpoint":${jsonName(endpoint.id)},"region":${jsonName(endpoint.region)},"role":${jsonName(ROLE_NAMES[role] ?? null)}`;
  noted.way = flat(routed + placed + attemptsPiece(attemptsOf(ex), hedged >= HEDGED.BEGUN));
  return noted.way;
}

/** Of the trace that the client's request is part of. */
export function tracePiece(traceparent: string): string {
  const id = TRACE_ID.exec(traceparent);
  return id === null ? ',"traceId":null' : `,"traceId":"${id[1]}"`;
}

export function endingPiece(status: number, ending: Ending, problem: Problem | null): string {
  const why = problem === null ? '"error":null,"reason":null' : `"error":"${problem.type}","reason":"${problem.code}"`;
  return `,"status":${status},"outcome":"${OUTCOMES[ending]}",${why},"bytesIn":`;
}

export function attemptsPiece(attempts: number, isHedged: boolean): string {
  return `,"attempts":${attempts},"retried":${attempts > (isHedged ? 2 : 1)},"hedged":${isHedged}`;
}
