// What is wrong with the address of the admin API beside the rest of the configuration.

import { isLoopback } from '../admin/gate.ts';
import { type Path, type Problem, pathText, valueAt } from './problems.ts';
import { type Address, parseAddress } from './values.ts';

type Tree = Readonly<Record<string, unknown>>;

/** Of the admin API, where the file says nothing. */
const ADMIN_ADDRESS = '127.0.0.1:9901';
const ALL_ADDRESSES = new Set(['', '0.0.0.0', '::']);

/** The admin API refuses to start like this; better told by `validate`. */
export function adminProblems(root: Tree): Problem[] {
  const { address, token } = mapping(root.admin);
  const parsed = addressOf(address ?? ADMIN_ADDRESS);
  if (parsed === null) return [];
  const other = othersOf(root).find((path) => isSamePort(parsed, addressOf(valueAt(root, path))));
  if (other !== undefined) {
    // Of the two, the one that was written is the one to change.
    const isWritten = address !== undefined;
    const whose = isWritten ? pathText(other) : `admin.address (${ADMIN_ADDRESS})`;
    const path = isWritten ? ['admin', 'address'] : other;
    return [{ path, what: `address of ${whose}, too`, expected: 'another port' }];
  }
  if (isLoopback(parsed.host) || (token !== undefined && token !== null)) return [];
  const expected = 'admin.token (or FERMAT_ADMIN_TOKEN), or a loopback address';
  return [{ path: ['admin', 'address'], what: 'open to other machines without a token', expected }];
}

/** Where the addresses stand that a node listens on besides. */
function othersOf({ listeners, overlay }: Tree): Path[] {
  const own = Array.isArray(listeners) ? listeners.map((_, i): Path => ['listeners', i, 'address']) : [];
  return [...own, ...(mapping(overlay).address === undefined ? [] : [['overlay', 'address']])];
}

function mapping(value: unknown): Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Tree) : {};
}

function addressOf(value: unknown): Address | null {
  return typeof value === 'string' ? parseAddress(value) : null;
}

/** Whether no two could listen at both. */
function isSamePort(a: Address, b: Address | null): boolean {
  if (b === null || a.port !== b.port || a.port === 0) return false;
  return a.host === b.host || ALL_ADDRESSES.has(a.host) || ALL_ADDRESSES.has(b.host);
}
