// Addresses as text: the one canonical spelling of each, CIDR sets, and whose request it is behind trusted proxies.
// Pure, so without node:net (its BlockList would be a native call and a parse per question all the same). IPv4 is held
// as IPv4-mapped IPv6, so that there is one width to compare, and the two spellings of one address are one.

/** An address as eight 16-bit groups. One scratch copy, since nothing here outlives a call. */
const groups = new Uint16Array(8);
const MAPPED = 0xffff;

/**
 * The one spelling of an address: IPv4 as four decimals, IPv6 as RFC 5952 has it, lower case, without its zone;
 * an IPv4-mapped IPv6 address is its IPv4 address. null when it is no address (brackets and ports included). Never throws.
 */
export function canonicalIp(text: string): string | null {
  if (!parse(text)) return null;
  return isMapped() ? ipv4Text() : ipv6Text();
}

/** `address/bits`; a bare address is a network of one. */
export interface Cidr {
  /** Canonical, host bits cleared: `10.0.0.0/8`. */
  readonly text: string;
  /** Length of the prefix in the 128-bit space: 96 more than written for IPv4. */
  readonly bits: number;
  readonly groups: readonly number[];
}

/** null when it is no CIDR. Host bits may be set; they are cleared. `::ffff:10.0.0.0/104` is `10.0.0.0/8`. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  if (!parse(address)) return null;
  const isV4 = !address.includes(':');
  const length = slash < 0 ? (isV4 ? 32 : 128) : prefixLength(text.slice(slash + 1));
  if (length < 0 || length > (isV4 ? 32 : 128)) return null;
  const bits = isV4 ? length + 96 : length;
  for (let i = 0; i < 8; i++) groups[i]! &= maskOf(bits - i * 16);
  // A prefix shorter than ::ffff:0:0/96 holds all of IPv4, and must not be written as if it were IPv4 itself.
  const name = bits >= 96 && isMapped() ? `${ipv4Text()}/${bits - 96}` : `${ipv6Text()}/${bits}`;
  return { text: name, bits, groups: [...groups] };
}

export interface CidrSet {
  readonly size: number;
  /** Whether an address, in any spelling, is in one of the networks. False for what is no address. Never throws. */
  has(ip: string): boolean;
}

/** Throws a RangeError naming the first entry that is no CIDR: the configuration was to be checked with parseCidr. */
export function compileCidrs(list: readonly string[]): CidrSet {
  const cidrs = list.map((text) => {
    const cidr = parseCidr(text);
    if (cidr === null) throw new RangeError(`expected a CIDR, got ${JSON.stringify(text)}`);
    return cidr;
  });
  return {
    size: cidrs.length,
    has: (ip) => cidrs.length > 0 && parse(ip) && cidrs.some(holdsScratch),
  };
}

/**
 * Whose request it is: the nearest address, from the peer backwards through X-Forwarded-For, that is not one of
 * our proxies. An entry that is no address ends the walk at the hop that reported it. Ports behind addresses are ignored.
 * `peer` canonical; `forwardedFor` is the whole field value, '' if there is none. Canonical address. Never throws.
 */
export function clientOf(forwardedFor: string, peer: string, trusted: CidrSet): string {
  let client = peer;
  let end = forwardedFor.length;
  while (end > 0 && trusted.has(client)) {
    const comma = forwardedFor.lastIndexOf(',', end - 1);
    const hop = canonicalIp(withoutPort(forwardedFor.slice(comma + 1, end).trim()));
    if (hop === null) return client;
    client = hop;
    end = comma;
  }
  return client;
}

/**
 * 32 bits that stand for the host behind an address, not mixed yet: all of an IPv4 address; of IPv6 the /64, since hosts
 * change the rest as they like (RFC 8981). 0 for what is no address.
 */
export function hostBits(text: string): number {
  if (!parse(text)) return 0;
  if (isMapped()) return (groups[6]! << 16) | groups[7]!;
  return Math.imul((groups[0]! << 16) | groups[1]!, 0x9e3779b1) ^ ((groups[2]! << 16) | groups[3]!);
}

/** `1.2.3.4:80`, `[::1]:80` and `[::1]` to the address in them. */
function withoutPort(entry: string): string {
  if (entry.charCodeAt(0) === 0x5b) {
    const match = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(entry);
    return match ? match[1]! : '';
  }
  const colon = entry.indexOf(':');
  const isV4WithPort = colon > 0 && entry.includes('.') && colon === entry.lastIndexOf(':');
  return isV4WithPort ? entry.slice(0, colon) : entry;
}

function prefixLength(text: string): number {
  return /^(0|[1-9]\d{0,2})$/.test(text) ? Number(text) : -1;
}

/** The mask of one group of which the first `bits` (any integer) count. */
function maskOf(bits: number): number {
  if (bits >= 16) return 0xffff;
  return bits <= 0 ? 0 : (0xffff << (16 - bits)) & 0xffff;
}

function holdsScratch(cidr: Cidr): boolean {
  for (let i = 0; i * 16 < cidr.bits; i++) {
    if ((groups[i]! & maskOf(cidr.bits - i * 16)) !== cidr.groups[i]) return false;
  }
  return true;
}

/** Reads an address into the scratch groups. */
function parse(text: string): boolean {
  if (text.length > 64) return false;
  if (!text.includes(':')) {
    groups.fill(0);
    groups[5] = MAPPED;
    return parseIpv4(text, 6);
  }
  const zone = text.indexOf('%');
  return parseIpv6(zone < 0 ? text : zone === text.length - 1 ? '' : text.slice(0, zone));
}

/** Four decimals without leading zeros (some read those as octal) into two groups from `at` on. */
function parseIpv4(text: string, at: number): boolean {
  const match = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(text);
  if (match === null) return false;
  for (let i = 0; i < 4; i += 2) {
    const high = Number(match[i + 1]);
    const low = Number(match[i + 2]);
    if (high > 255 || low > 255) return false;
    groups[at + i / 2] = high * 256 + low;
  }
  return true;
}

function parseIpv6(text: string): boolean {
  groups.fill(0);
  const gap = text.indexOf('::');
  if (gap < 0) return parseGroups(text, 0, true) === 8;
  if (text.includes('::', gap + 1)) return false;
  const head = text.slice(0, gap);
  const tail = text.slice(gap + 2);
  const before = head === '' ? 0 : parseGroups(head, 0, false);
  if (before < 0 || before > 7) return false;
  const after = tail === '' ? 0 : parseGroups(tail, before, true);
  // The gap stands for at least one group.
  if (after < 0 || before + after > 7) return false;
  groups.copyWithin(8 - after, before, before + after);
  groups.fill(0, before, 8 - after);
  return true;
}

/** How many groups `text` filled from `at` on; -1 when it is malformed or too long. */
function parseGroups(text: string, at: number, mayEndInIpv4: boolean): number {
  const parts = text.split(':');
  let n = 0;
  for (const [i, part] of parts.entries()) {
    if (mayEndInIpv4 && i === parts.length - 1 && part.includes('.')) {
      return at + n <= 6 && parseIpv4(part, at + n) ? n + 2 : -1;
    }
    if (at + n > 7 || !/^[0-9a-fA-F]{1,4}$/.test(part)) return -1;
    groups[at + n++] = Number.parseInt(part, 16);
  }
  return n;
}

function isMapped(): boolean {
  for (let i = 0; i < 5; i++) if (groups[i] !== 0) return false;
  return groups[5] === MAPPED;
}

function ipv4Text(): string {
  const high = groups[6]!;
  const low = groups[7]!;
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** RFC 5952: no leading zeros, lower case, the first longest run of two or more zero groups as `::`. */
function ipv6Text(): string {
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > length) [start, length] = [i, n];
    i += n;
  }
  const hex = (from: number, to: number) => Array.from(groups.subarray(from, to), (g) => g.toString(16)).join(':');
  return start < 0 ? hex(0, 8) : `${hex(0, start)}::${hex(start + length, 8)}`;
}
