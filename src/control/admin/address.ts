// Where the admin API listens, as it is written and as it is shown.

/** Throws when it is none. `host` '' = all addresses. */
export function parseAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw new Error(`admin.address: expected host:port, got ${JSON.stringify(address)}`);
  return { host: (match[1] ?? match[2] ?? '').toLowerCase(), port };
}

/** A host that works in a URL on this machine. */
export function urlHost(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
