// The one header by which an edge tells another which endpoint a request is for: `X-Fermat-Hop`. Its grammar, and the text that
// a signature covers; what is cryptography, and whether anybody is believed, is for others (data/overlay, control/overlay).
//
//   X-Fermat-Hop: v=1; n=1; from=edge-a; key=Zm9vYmFy…; pool=shop; endpoint=fra-1; t=1763735000000; mac=…
//
// `key` alone decides where the request goes; pool and endpoint are for people. There is no way to say n=2.

export const HOP_FIELD = 'X-Fermat-Hop';
/** The same, as the wire has names of fields that it compares. */
export const HOP_FIELD_LOWER = 'x-fermat-hop';
/** On an answer of a relay's own: the request has not been sent on, so that repeating it is safe whatever the method. */
export const UNSENT_FIELD = 'X-Fermat-Relay';
export const UNSENT_FIELD_LOWER = 'x-fermat-relay';
export const UNSENT_VALUE = 'unsent';
/** Where a peer is asked for what it measured. */
export const QUESTION_PATH = '/.fermat/overlay';
/** In place of an endpoint's key: the question. */
export const QUESTION_KEY = 'question';
/** Longest value that is looked at. */
export const MAX_HOP_CHARS = 4096;
/** A signature is good for so long before and after the moment it names. */
export const SKEW_MS = 15_000;

export interface Hop {
  readonly from: string;
  readonly key: string;
  /** Wall clock, ms; 0 = the hop is not signed. */
  readonly atMs: number;
  /** Base64url; '' = not signed. */
  readonly mac: string;
  /** The value up to the signature: what it covers, beside the request. */
  readonly text: string;
}

/** What stands before the signature. The names may hold anything. */
export function hopText(from: string, key: string, pool: string, endpoint: string): string {
  const e = encodeURIComponent;
  return `v=1; n=1; from=${e(from)}; key=${key}; pool=${e(pool)}; endpoint=${e(endpoint)}`;
}

/** A `hopText` with the moment and a number that no other request of this sender has: then the signature follows. */
export function datedText(text: string, atMs: number, nonce: string): string {
  return `${text}; t=${atMs}; x=${nonce}`;
}

export function signedValue(dated: string, mac: string): string {
  return `${dated}; mac=${mac}`;
}

/**
 * What is signed: whom it is for (all edges have one secret: a copy must not be good at another), the request as the relay sees
 * it, and the hop itself. No part but the last may hold a line break, and none can.
 */
export function signedText(to: string, method: string, authority: string, target: string, dated: string): string {
  return `fermat-hop 1\n${to}\n${method}\n${authority}\n${target}\n${dated}`;
}

/** What of an answer to the question is signed: the body, bound to the question. */
export function answerText(mac: string, body: string): string {
  return `fermat-answer 1\n${mac}\n${body}`;
}

/** null = it is none of ours, or names another number of hops than one. Never throws. */
export function parseHop(value: string): Hop | null {
  if (value.length > MAX_HOP_CHARS || !value.startsWith('v=1; n=1; ')) return null;
  const macAt = value.lastIndexOf('; mac=');
  const text = macAt < 0 ? value : value.slice(0, macAt);
  const mac = macAt < 0 ? '' : value.slice(macAt + 6);
  const from = decoded(partOf(text, 'from'));
  const key = partOf(text, 'key');
  if (from === null || from === '' || key === null || key === '') return null;
  const at = partOf(text, 't') ?? '0';
  if (!/^[0-9]{1,15}$/.test(at)) return null;
  return { from, key, atMs: Number(at), mac, text };
}

function partOf(text: string, name: string): string | null {
  const start = text.indexOf(`; ${name}=`);
  if (start < 0) return null;
  const from = start + name.length + 3;
  const end = text.indexOf(';', from);
  return text.slice(from, end < 0 ? text.length : end);
}

function decoded(value: string | null): string | null {
  if (value === null) return null;
  try {
    return decodeURIComponent(value);
  } catch {
    return null;
  }
}
