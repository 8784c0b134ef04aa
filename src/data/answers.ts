// Answers that no endpoint gives: `respond` routes, OPTIONS and TRACE at their last hop, and what went wrong, in the terms of
// plain HTTP or of gRPC.

import { METHODS } from '../core/cells.ts';
import { UNSENT_FIELD, UNSENT_VALUE } from '../core/overlay/hop.ts';
import { FIELD } from '../wire/fields.ts';
import type { RequestHead } from '../wire/request.ts';
import { PROBLEM, type Problem, problemOfFault, renderProblem, wantsJson } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { RouteRuntime } from './generation.ts';
import { isGrpc, renderCallProblem, trailersOf } from './grpc.ts';
import { attemptsLine } from './response.ts';
import { ENDING } from './settle.ts';

/** Fields that TRACE must not reflect (RFC 9110, 9.3.8). */
const SECRET: ReadonlySet<number> = new Set([FIELD.AUTHORIZATION, FIELD.COOKIE, FIELD.PROXY_AUTHORIZATION]);
const ALLOW = `Allow: ${METHODS.slice(1, 9).join(', ')}\r\n`;

const NO_HOST = problemOfFault(400, 'no Host field', 'http_request_error');

export function respondOf(ex: Exchange, route: RouteRuntime): void {
  const respond = route.spec.respond!;
  // To an extended CONNECT any 2xx says that the tunnel is there (RFC 8441, 5).
  if (ex.head.isExtendedConnect && respond.status < 300) return ex.refuse(PROBLEM.notATunnel);
  const target = respond.location === null ? '' : fillLocation(respond.location, ex.head);
  if (target === null) return ex.refuse(NO_HOST);
  const location = target === '' ? '' : `Location: ${target}\r\n`;
  const type = route.respondBody === '' ? '' : 'Content-Type: text/plain; charset=utf-8\r\n';
  const lines = lessDropped(`${location}${type}${ex.limitLines}`, route.responseDrops);
  ex.reply(respond.status, lines + route.responseLines, route.respondBody);
}

/** Lines of an answer of ours, less what its route removes or sets (lower case). */
export function lessDropped(lines: string, drops: readonly string[]): string {
  if (drops.length === 0) return lines;
  let kept = '';
  for (const line of lines.split('\r\n').slice(0, -1)) {
    if (!drops.includes(line.slice(0, line.indexOf(':')).toLowerCase())) kept += `${line}\r\n`;
  }
  return kept;
}

/** Max-Forwards is 0: the request is answered as if we were its goal (RFC 9110, 7.6.2). */
export function answerLastHop(ex: Exchange): void {
  if (ex.head.method === 'OPTIONS') ex.reply(200, ALLOW, '');
  else ex.reply(200, 'Content-Type: message/http\r\n', reflect(ex.head));
}

/** The request as it came, less its secrets: the body of a TRACE answer. latin1. */
export function reflect(head: RequestHead): string {
  let text = `${head.method} ${head.target} HTTP/1.${head.minor}\r\n`;
  for (let i = 0; i < head.count; i++) {
    if (!SECRET.has(head.id[i]!)) text += `${head.name(i)}: ${head.value(i)}\r\n`;
  }
  return `${text}\r\n`;
}

/** A `location` with the request's host and URI filled in; null when it takes a host and the request (HTTP/1.0) names none. */
export function fillLocation(template: string, head: RequestHead): string | null {
  const uri = head.path === '*' ? '/' : head.path;
  // A port that goes without saying where the client comes from is a wrong one where it is sent.
  const isOtherScheme = head.port === 80 && template.startsWith('https:');
  const host = isOtherScheme ? head.host : head.authority;
  if (host === '' && template.includes('{host}')) return null;
  const location = template.replace(/\$\{(host|uri)\}/g, (_, name) => (name === 'host' ? host : uri));
  // `//evil.example/` as a path would be another host as a reference (RFC 3986, 4.2).
  return location.startsWith('//') ? `/${location.replace(/^\/+/, '')}` : location;
}

/** The whole answer is that something went wrong. */
export function tellProblem(ex: Exchange, problem: Problem): void {
  if (ex.route?.isRelay === true && (ex.attempts === 0 || ex.books.sentMs < 0)) return tellUnsent(ex, problem);
  if (ex.isCall) return ex.reply(problem.status, renderCallProblem(problem), '', 200);
  const { fields, body } = renderProblem(problem, wantsJson(ex.head));
  const isAsked = ex.route?.spec.serverTiming === true && ex.attempts > 0;
  ex.reply(problem.status, isAsked ? fields + attemptsLine(ex) : fields, body);
}

/** To another edge: the request has gone nowhere, so that it may be sent another way whatever its method. */
export function tellUnsent(ex: Exchange, problem: Problem): void {
  const { fields, body } = renderProblem(problem, false);
  ex.books.ending = ENDING.REFUSED;
  ex.books.problem = problem;
  ex.reply(problem.status, `${fields}${UNSENT_FIELD}: ${UNSENT_VALUE}\r\n`, body);
}

/** It went wrong in the midst of an answer, which must not look whole. */
export function cutOff(ex: Exchange, problem: Problem): void {
  const isTold = ex.isCall && ex.answer !== null && isGrpc(ex.answer);
  ex.finish();
  if (isTold) ex.down.end(trailersOf(problem));
  else ex.down.abort();
}
