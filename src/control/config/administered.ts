// What is wrong with the address of the admin API beside the rest of the configuration.

import { isLoopback } from '../admin/gate.ts';
import { type Path, type Problem, pathText } from './problems.ts';
import { type Address, parseAddress } from './values.ts';

type Tree = Readonly<Record<string, unknown>>;

/** Of the admin API, where the file says nothing. */
const ADMIN_ADDRESS = '127.0.0.1:9901';
const ALL_ADDRESSES = new Set(['', '0.0.0.0', '::']);

/** The admin API refuses to start like this; better told by `validate`. */
export function adminProblems({ address, token }: Tree, listeners: readonly Tree[]): Problem[] {
  const parsed = addressOf(address ?? ADMIN_ADDRESS);
  if (parsed === null) return [];
  const taken = listeners.findIndex((listener) => isSamePort(parsed, addressOf(listener.address)));
  if (taken !== -1) {
    // Of the two, the one that was written is the one to change.
    const path: Path = address === undefined ? ['listeners', taken, 'address'] : ['admin', 'address'];
    const other =
      address === undefined ? `admin.address (${ADMIN_ADDRESS})` : pathText(['listeners', taken, 'address']);
    return [{ path, what: `address of ${other}, too`, expected: 'another port' }];
  }
  if (isLoopback(parsed.host) || (token !== undefined && token !== null)) return [];
  const expected = 'admin.token (or FERMAT_ADMIN_TOKEN), or a loopback address';
  return [{ path: ['admin', 'address'], what: 'open to other machines without a token', expected }];
}

function addressOf(value: unknown): Address | null {
  return typeof value === 'string' ? parseAddress(value) : null;
}

/** Whether no two could listen at both. */
function isSamePort(a: Address, b: Address | null): boolean {
  if (b === null || a.port !== b.port || a.port === 0) return false;
  return a.host === b.host || ALL_ADDRESSES.has(a.host) || ALL_ADDRESSES.has(b.host);
}
