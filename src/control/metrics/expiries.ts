// When the certificates of listeners expire, so that an alert is earlier than the clients. By name: the first of each
// certificate, which the configuration bounds.

import type { ListenerSpec } from '../../core/snapshot.ts';
import type { Labels } from './totals.ts';

/** One sample a listener and name; where certificates share a name (RSA and ECDSA), the one that expires first. Seconds. */
export function expiriesOf(
  listeners: readonly Pick<ListenerSpec, 'name' | 'tls'>[],
): { readonly value: number; readonly labels: Labels }[] {
  return listeners.flatMap(({ name: listener, tls }) => {
    const earliest = new Map<string, number>();
    for (const { names, expiresAtMs } of tls?.certificates ?? []) {
      const name = names[0] ?? '';
      earliest.set(name, Math.min(earliest.get(name) ?? Number.POSITIVE_INFINITY, expiresAtMs / 1000));
    }
    return [...earliest].map(([name, value]) => ({ value, labels: { listener, name } }));
  });
}
