// What a parser made of the bytes of a connection, in a form that two parsers can be compared by.

export interface Seen {
  /** Method, or status. */
  readonly start: string;
  /** Target, or reason. */
  readonly detail: string;
  readonly minor: number;
  /** Names and values in turn, as sent, order kept. */
  readonly fields: readonly string[];
  /** latin1. */
  body: string;
  trailers: readonly string[];
  isComplete: boolean;
}

/** Why a parser stopped: it wants more, it refuses, or it has what it wants and the rest is not its business. */
export type Stop = 'need' | 'bad' | 'over';

export interface Reading {
  readonly messages: Seen[];
  stop: Stop;
  /** Words, when refused. */
  why: string;
}

export function emptyReading(): Reading {
  return { messages: [], stop: 'need', why: '' };
}
