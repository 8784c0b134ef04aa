// An event as one line for people.

import type { FermatEvent } from '../../control/types.ts';
import { plain, type Style, styled } from '../table.ts';

const STYLES: Readonly<Record<FermatEvent['level'], Style>> = {
  debug: 'dim',
  info: 'cyan',
  warn: 'yellow',
  error: 'red',
};
const OWN = new Set(['at', 'level', 'type', 'message']);
const PLAIN_VALUE = /^[\w.:/@%+-]+$/;

/** `2026-11-21 17:40:01.123  warn   endpoint.state  fra-1 is unhealthy  pool=shop`. */
export function eventLine(event: FermatEvent): string {
  const { at, level, type, message } = event;
  const when = at.replace('T', ' ').replace('Z', '');
  const fields = Object.entries(event)
    .filter(([name, value]) => !OWN.has(name) && value !== null && value !== undefined)
    .map(([name, value]) => `${name}=${shown(value)}`);
  return [
    styled('dim', plain(when)),
    styled(STYLES[level] ?? 'dim', level.padEnd(5)),
    styled('bold', plain(type)),
    plain(message),
    ...(fields.length === 0 ? [] : [styled('dim', plain(fields.join(' ')))]),
  ].join('  ');
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return PLAIN_VALUE.test(text) || typeof value !== 'string' ? text : JSON.stringify(text);
}
