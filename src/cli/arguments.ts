// How single arguments are read. Each throws commander's InvalidArgumentError, which ends with 2 and names the flag.

import { InvalidArgumentError } from 'commander';
import { parseAddress, parseEndpointUrl, parseUnix } from '../control/config/values.ts';

export function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

export function address(value: string, before: string[]): string[] {
  if (parseUnix(value) === null && parseAddress(value) === null) {
    throw new InvalidArgumentError('expected host:port, :port or unix:/path.');
  }
  return [...before, value];
}

export function url(value: string, before: string[]): string[] {
  const parsed = parseEndpointUrl(value);
  if (typeof parsed !== 'string') return [...before, value];
  throw new InvalidArgumentError(`${parsed}: expected http://host:port, https://host:port or unix:/path.`);
}

export function list(value: string): string[] {
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

export function port(value: string): number {
  const n = whole(value);
  if (n > 65_535) throw new InvalidArgumentError('expected a port from 0 to 65535.');
  return n;
}

export function whole(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('expected a whole number.');
  return Number(value);
}

export function seconds(value: string): number {
  const n = Number(value);
  if (!(n >= 0.1 && n <= 3600)) throw new InvalidArgumentError('expected seconds from 0.1 to 3600.');
  return n;
}

export function amount(value: string): number {
  const n = Number(value);
  if (value.trim() === '' || !(n >= 0 && n <= 1e9))
    throw new InvalidArgumentError('expected a number from 0 to 1000000000.');
  return n;
}
