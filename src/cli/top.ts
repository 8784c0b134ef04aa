// `top`: status, refreshed. On a terminal it takes the screen, follows its size and obeys keys; elsewhere, and on one that can
// only write (TERM=dumb), it prints one table, or one line of JSON, a refresh. A node that goes away for a moment does not end it.

import { AdminClient } from './client.ts';
import { SORTS } from './endpoints.ts';
import { CliError, complain, EXIT, type ExitCode, print } from './exit.ts';
import { Screen } from './screen.ts';
import { endpointLines, fetchStatus, headOf, type Status, type StatusFlags } from './status.ts';
import { plain, styled } from './table.ts';

export interface TopFlags extends StatusFlags {
  /** Between refreshes, seconds. */
  readonly interval: number;
  /** How often; 0 = until stopped. Absent: until stopped on a terminal, once elsewhere. */
  readonly count?: number;
}

/** What keys have changed since the start. */
interface View {
  sort: string;
  reverse: boolean;
  unhealthy: boolean;
  isPaused: boolean;
  /** First row of the table that is shown. */
  offset: number;
}

const SORT_NAMES = Object.keys(SORTS);
const KEYS = 'q leaves · s S sort · r reverse · u unhealthy only · space pauses · ↑ ↓ PgUp PgDn scroll';
const PAGE_ROWS = 10;

export async function top(flags: TopFlags): Promise<ExitCode> {
  const client = await AdminClient.open(flags);
  const isTerminal = process.stdout.isTTY === true && !flags.json;
  const isScreen = isTerminal && process.env.TERM !== 'dumb';
  const count = flags.count ?? (isTerminal ? 0 : 1);
  const view: View = {
    sort: flags.sort ?? 'requests',
    reverse: flags.reverse ?? false,
    unhealthy: flags.unhealthy ?? false,
    isPaused: false,
    offset: 0,
  };
  const ask = () => fetchStatus(client, { ...flags, ...view });
  const first = await ask(); // before the screen is taken, so that an error stays readable
  if (!isScreen) return repeat(first, ask, count, flags);
  return onScreen(first, ask, count, flags, view);
}

async function repeat(
  first: Status,
  ask: () => Promise<Status>,
  count: number,
  { interval, json }: TopFlags,
): Promise<ExitCode> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  const show = (now: Status) => {
    if (json) print(JSON.stringify({ at: new Date().toISOString(), ...now }));
    else print([...headOf(now), '', ...endpointLines(now.endpoints, Number.POSITIVE_INFINITY), ''].join('\n'));
  };
  show(first);
  for (let i = 1; (count === 0 || i < count) && (await slept(interval * 1000, stop.signal)); i++) {
    const next = await answerOf(ask);
    if (next instanceof CliError) complain(next.message);
    else show(next);
  }
  return EXIT.OK;
}

async function onScreen(
  first: Status,
  ask: () => Promise<Status>,
  count: number,
  { interval }: TopFlags,
  view: View,
): Promise<ExitCode> {
  let now = first;
  let trouble: string | null = null;
  const stop = new AbortController();
  /** Ended by a key that wants an answer at once. */
  let nap = new AbortController();
  const draw = () => screen.draw(linesOf(now, trouble, view, screen));
  const screen = new Screen({
    onResize: () => draw(),
    onKey: (key) => {
      const does = obey(key, view, now.endpoints.length);
      if (does === 'leave') stop.abort();
      if (does === 'ask') nap.abort();
      if (does === 'draw') draw();
    },
  });
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  try {
    draw();
    for (let i = 1; count === 0 || i < count; i++) {
      await slept(interval * 1000, AbortSignal.any([stop.signal, nap.signal]));
      if (stop.signal.aborted) break;
      if (view.isPaused && !nap.signal.aborted) continue;
      // Before the question: a key that comes meanwhile wants another one.
      nap = new AbortController();
      const next = await answerOf(ask);
      trouble = next instanceof CliError ? next.message : null;
      if (!(next instanceof CliError)) now = next;
      draw();
    }
  } finally {
    screen.restore();
  }
  return EXIT.OK;
}

/** Changes the view as a key asks. */
function obey(key: string, view: View, rows: number): 'leave' | 'ask' | 'draw' | null {
  const at = SORT_NAMES.indexOf(view.sort);
  const scrolled = (by: number) => {
    view.offset = Math.max(0, Math.min(rows - 1, view.offset + by));
    return 'draw' as const;
  };
  switch (key) {
    case 'q':
    case '\x03':
      return 'leave';
    case 's':
    case 'S':
      view.sort = SORT_NAMES[(at + (key === 's' ? 1 : SORT_NAMES.length - 1)) % SORT_NAMES.length]!;
      view.offset = 0;
      return 'ask';
    case 'r':
      view.reverse = !view.reverse;
      return 'ask';
    case 'u':
      view.unhealthy = !view.unhealthy;
      view.offset = 0;
      return 'ask';
    case ' ':
    case 'p':
      view.isPaused = !view.isPaused;
      return view.isPaused ? 'draw' : 'ask';
    case 'up':
      return scrolled(-1);
    case 'down':
      return scrolled(1);
    case 'pageup':
      return scrolled(-PAGE_ROWS);
    case 'pagedown':
      return scrolled(PAGE_ROWS);
    default:
      return null;
  }
}

function linesOf(now: Status, trouble: string | null, view: View, { columns, rows }: Screen): string[] {
  const [title, ...body] = endpointLines(now.endpoints, columns);
  const notes = [
    `by ${view.sort}${view.reverse ? ', reversed' : ''}${view.unhealthy ? ', unhealthy only' : ''}`,
    ...(view.isPaused ? [styled('yellow', 'paused')] : []),
    ...(trouble === null ? [] : [styled('red', plain(trouble))]),
  ];
  const head = [...headOf(now), notes.join('  ·  '), '', title ?? ''];
  const room = Math.max(1, rows - head.length - 1);
  const offset = Math.max(0, Math.min(view.offset, body.length - room));
  const shown = body.slice(offset, offset + room);
  const rest = body.length > room ? `  ·  ${offset + 1}–${offset + shown.length} of ${body.length}` : '';
  const filler = Array.from({ length: room - shown.length }, () => '');
  return [...head, ...shown, ...filler, styled('dim', `${KEYS}${rest}`)];
}

/** The error of a node that does not answer is an answer, too. */
async function answerOf(ask: () => Promise<Status>): Promise<Status | CliError> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
}

/** False when it was stopped meanwhile. */
function slept(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve(!signal.aborted);
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
