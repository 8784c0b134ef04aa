// A name server over UDP, for whatever the tests want said: addresses with a TTL, no such name, SERVFAIL, or nothing at all.
// It speaks the wire format of RFC 1035 as far as A, AAAA and SRV go; what is behind the question (EDNS) is not looked at.

import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';

const TYPE = { A: 1, AAAA: 28, SRV: 33 } as const;
type TypeName = keyof typeof TYPE;
const RCODE = { OK: 0, SERVFAIL: 2, NXDOMAIN: 3 } as const;
const HEAD_BYTES = 12;

export type DnsReply =
  | { readonly addresses: readonly string[]; readonly services?: readonly Service[]; readonly ttlS?: number }
  | 'nxdomain'
  | 'servfail'
  | 'silence';

/** An SRV record. */
export interface Service {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

export interface DnsQuestion {
  readonly name: string;
  readonly type: TypeName;
  /** performance.now(). */
  readonly atMs: number;
}

export class DnsServer {
  /** By name, lower case; whoever is not here does not exist. */
  readonly zone = new Map<string, DnsReply>();
  readonly questions: DnsQuestion[] = [];
  /** How late answers of a type are. */
  readonly delayMs = new Map<TypeName, number>();
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (message, from) => this.#answer(message, from.port, from.address));
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** For `node.resolvers`. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  set(name: string, addresses: readonly string[], ttlS = 1): void {
    this.zone.set(name, { addresses, ttlS });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  #answer(message: Buffer, port: number, address: string): void {
    const asked = questionIn(message);
    if (asked === null) return;
    const type = asked.type === TYPE.A ? 'A' : asked.type === TYPE.AAAA ? 'AAAA' : 'SRV';
    this.questions.push({ name: asked.name, type, atMs: performance.now() });
    const reply = this.zone.get(asked.name) ?? 'nxdomain';
    if (reply === 'silence') return;
    const bytes = answerTo(message.subarray(0, asked.end), asked.type, reply);
    const delayMs = this.delayMs.get(type) ?? 0;
    if (delayMs === 0) this.#socket.send(bytes, port, address);
    else setTimeout(() => this.#socket.send(bytes, port, address), delayMs);
  }
}

/** `port`: where an earlier one was; 0 = any. */
export async function startDns(port = 0): Promise<DnsServer> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, '127.0.0.1', resolve);
  });
  return new DnsServer(socket);
}

function questionIn(message: Buffer): { name: string; type: number; end: number } | null {
  if (message.length < HEAD_BYTES + 5 || message.readUInt16BE(4) !== 1) return null;
  const labels: string[] = [];
  let at = HEAD_BYTES;
  for (let length = message[at]!; length > 0; length = message[at]!) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = message.readUInt16BE(at + 1);
  if (type !== TYPE.A && type !== TYPE.AAAA && type !== TYPE.SRV) return null;
  return { name: labels.join('.').toLowerCase(), type, end: at + 5 };
}

/** `query`: head and question, which are sent back with the answer behind them. */
function answerTo(query: Buffer, type: number, reply: Exclude<DnsReply, 'silence'>): Buffer {
  const rcode = reply === 'nxdomain' ? RCODE.NXDOMAIN : reply === 'servfail' ? RCODE.SERVFAIL : RCODE.OK;
  const all = typeof reply === 'object' ? reply.addresses : [];
  const ttlS = typeof reply === 'object' ? (reply.ttlS ?? 1) : 0;
  const services = typeof reply === 'object' ? (reply.services ?? []) : [];
  const records =
    type === TYPE.SRV
      ? services.map((service) => recordOf(type, ttlS, srvData(service)))
      : all
          .filter((address) => isIPv6(address) === (type === TYPE.AAAA))
          .map((address) => recordOf(type, ttlS, addressData(address)));
  const head = Buffer.from(query);
  head.writeUInt16BE(0x8180 | rcode, 2); // a response, recursion available
  head.writeUInt16BE(records.length, 6);
  head.writeUInt32BE(0, 8); // neither authorities nor EDNS
  return Buffer.concat([head, ...records]);
}

function addressData(address: string): Buffer {
  return isIPv6(address) ? bytesOfIpv6(address) : Buffer.from(address.split('.').map(Number));
}

/** RFC 2782. */
function srvData({ priority, weight, port, target }: Service): Buffer {
  const numbers = Buffer.alloc(6);
  numbers.writeUInt16BE(priority, 0);
  numbers.writeUInt16BE(weight, 2);
  numbers.writeUInt16BE(port, 4);
  const labels = target.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  return Buffer.concat([numbers, ...labels, Buffer.from([0])]);
}

function recordOf(type: number, ttlS: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0); // the name of the question
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4); // IN
  head.writeUInt32BE(ttlS, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

/** Without dotted tails. */
function bytesOfIpv6(address: string): Buffer {
  const [left = '', right = ''] = address.split('::');
  const words = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const gap = 8 - words(left).length - words(right).length;
  const all = [...words(left), ...new Array<string>(address.includes('::') ? gap : 0).fill('0'), ...words(right)];
  return Buffer.from(all.flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 0xff]));
}
