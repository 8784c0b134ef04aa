// What the access log asks of a format. A request leaves what its line is to say, at its end, among other work; lines are made
// many at a time.

import type { Problem } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { Peer } from '../sides.ts';
import type { Noted } from './noted.ts';
import type { Page } from './page.ts';

/** Requests that wait for their lines at most. */
export const ROWS = 64;

export interface Format {
  readonly isFull: boolean;
  /** Keeps what the line will say; the most bytes that it can take. `totalMs`: of the whole exchange. `isDrawn`: by chance. */
  note(ex: Exchange, noted: Noted, totalMs: number, isDrawn: boolean): number;
  /** Lines of what was noted, which is forgotten. `wallMs`: what the wall clock shows when the worker's is at 0. */
  write(page: Page, wallMs: number): void;
  /** The line of a request that could not be read, or (`problem` null) that its client took back before. latin1. */
  refusal(peer: Peer, status: number, problem: Problem | null, wallMs: number, isDrawn: boolean): string;
}
