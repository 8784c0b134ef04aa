// Whether a file is a database that may be used, told before anybody uses it. mmdb-lib believes what it reads: a wrong
// node count, a half file or a double of five bytes give it wrong places, not errors. So the frame of the file is checked
// whole, and the records that a short walk of the search tree finds, field by field. The rest of the tree is not walked:
// that takes seconds, and a look-up that meets damage later answers null.
// Format: https://maxmind.github.io/MaxMind-DB/

import { type GeoFile, type GeoFileInfo, openFile } from './reader.ts';

/** Why a database is refused; the message starts with its path. */
export class GeoFileError extends Error {
  readonly path: string;
  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`);
    this.name = 'GeoFileError';
    this.path = path;
  }
}

const METADATA_MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
/** The metadata is within the last 128 KiB, says the format. Looking no further keeps a wrong file cheap. */
const METADATA_SPAN = 128 * 1024;
const SEPARATOR_BYTES = 16;
/** Records looked at from each end of the address space, and tree nodes visited for them at most. */
const RECORDS = 32;
const NODES = 65_536;
/** Fields in one record, and maps in maps: far above what any database has. */
const FIELDS = 4096;
const DEPTH = 32;

const TYPE = { pointer: 1, text: 2, double: 3, bytes: 4, map: 7, array: 11, container: 12, end: 13, boolean: 14 };
/** Types of a fixed size, and numbers that may be written shorter. */
const EXACT_BYTES: Readonly<Record<number, number>> = { 3: 8, 15: 4 };
const MOST_BYTES: Readonly<Record<number, number>> = { 5: 2, 6: 4, 8: 4, 9: 8, 10: 16 };

/** Gives what the file says of itself. Throws GeoFileError. Some milliseconds, whatever the size. */
export function checkGeoFile(file: GeoFile): GeoFileInfo {
  const refuse = (reason: string) => new GeoFileError(file.path, reason);
  const bytes = Buffer.from(file.bytes);
  if (bytes.length === 0) throw refuse('the file is empty');
  const from = Math.max(0, bytes.length - METADATA_SPAN);
  const found = bytes.subarray(from).lastIndexOf(METADATA_MARKER);
  if (found < 0) throw refuse('not an .mmdb file, or cut off: it has no metadata at its end');
  const metadataAt = from + found;

  let opened: ReturnType<typeof openFile>;
  try {
    opened = openFile(file);
  } catch (error) {
    throw refuse(`its metadata cannot be read (${textOf(error)})`);
  }
  const { metadata } = opened.reader;
  if (metadata.binaryFormatMajorVersion !== 2) {
    throw refuse(`expected format version 2, got ${String(metadata.binaryFormatMajorVersion)}`);
  }
  if (metadata.ipVersion !== 4 && metadata.ipVersion !== 6) {
    throw refuse(`expected IP version 4 or 6, got ${String(metadata.ipVersion)}`);
  }
  const { nodeCount, searchTreeSize, recordSize } = metadata;
  if (!Number.isInteger(nodeCount) || nodeCount < 1) throw refuse('it has no search tree');
  if (searchTreeSize + SEPARATOR_BYTES > metadataAt) {
    throw refuse(`too short for the ${nodeCount} nodes it claims (cut off, or a wrong node count)`);
  }
  const dataAt = searchTreeSize + SEPARATOR_BYTES;
  if (bytes.subarray(searchTreeSize, dataAt).some((byte) => byte !== 0)) {
    throw refuse(`its search tree does not end after the ${nodeCount} nodes it claims`);
  }

  const tree: Tree = { bytes, nodeCount, recordSize, bits: metadata.ipVersion === 4 ? 32 : 128 };
  try {
    const records = new Set([...recordsIn(tree, 0), ...recordsIn(tree, 1)]);
    if (records.size === 0) throw new RangeError('it holds no records');
    for (const record of records) {
      const walk: Walk = { bytes, from: dataAt, to: metadataAt, left: FIELDS };
      fieldEnd(walk, dataAt + record, 0, true);
    }
    opened.reader.get('8.8.8.8');
  } catch (error) {
    throw refuse(`damaged: ${textOf(error)}`);
  }
  return opened.info;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface Tree {
  readonly bytes: Buffer;
  readonly nodeCount: number;
  readonly recordSize: number;
  readonly bits: number;
}

/** Offsets in the data section of the first records in the order of addresses, or (`first` 1) the last. */
function recordsIn(tree: Tree, first: 0 | 1): number[] {
  const records: number[] = [];
  const stack: [node: number, depth: number][] = [[0, 0]];
  for (let visited = 0; visited < NODES && records.length < RECORDS; visited++) {
    const top = stack.pop();
    if (top === undefined) break;
    const [node, depth] = top;
    if (node === tree.nodeCount) continue;
    if (node > tree.nodeCount) {
      records.push(node - tree.nodeCount - SEPARATOR_BYTES);
      continue;
    }
    if (depth >= tree.bits) throw new RangeError('its search tree is deeper than an address is long');
    stack.push([childOf(tree, node, first === 0 ? 1 : 0), depth + 1], [childOf(tree, node, first), depth + 1]);
  }
  return records;
}

function childOf({ bytes, recordSize }: Tree, node: number, side: 0 | 1): number {
  const at = (node * recordSize) / 4;
  if (recordSize === 24) return bytes.readUIntBE(at + side * 3, 3);
  if (recordSize === 32) return bytes.readUInt32BE(at + side * 4);
  const high = side === 0 ? bytes[at + 3]! >> 4 : bytes[at + 3]! & 0x0f;
  return high * 0x1000000 + bytes.readUIntBE(at + side * 4, 3);
}

/** Where fields may be, and how many more of them a record may have. */
interface Walk {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
  left: number;
}

/** The offset behind a field and all that is in it. Throws when it is not what the format allows. */
function fieldEnd(walk: Walk, at: number, depth: number, mayPoint: boolean): number {
  if (at < walk.from || at >= walk.to) throw new RangeError('a record points outside the data');
  if (walk.left-- <= 0 || depth > DEPTH) throw new RangeError('a record is nested without end');
  const control = walk.bytes[at]!;
  if (control >> 5 === TYPE.pointer) {
    if (!mayPoint) throw new RangeError('a pointer to a pointer');
    const { target, end } = pointerAt(walk, at, control);
    fieldEnd(walk, target, depth + 1, false);
    return end;
  }
  const isExtended = control >> 5 === 0;
  const type = isExtended ? walk.bytes[at + 1]! + 7 : control >> 5;
  const { size, end: contentAt } = sizeAt(walk.bytes, at + (isExtended ? 2 : 1), control & 0x1f);
  if (type === TYPE.map || type === TYPE.array) {
    let next = contentAt;
    for (let i = 0; i < size; i++) {
      if (type === TYPE.map) next = fieldEnd(walk, next, depth + 1, true);
      next = fieldEnd(walk, next, depth + 1, true);
    }
    return next;
  }
  checkScalar(type, size);
  const end = type === TYPE.boolean ? contentAt : contentAt + size;
  if (end > walk.to) throw new RangeError('a field runs over the end of the data');
  return end;
}

function checkScalar(type: number, size: number): void {
  const isKnown = type >= TYPE.text && type <= 15 && type !== TYPE.container && type !== TYPE.end;
  if (!isKnown) throw new RangeError(`a field of the unknown type ${type}`);
  const exact = EXACT_BYTES[type];
  if (exact !== undefined && size !== exact) {
    throw new RangeError(`a ${type === TYPE.double ? 'double' : 'float'} of ${size} bytes, expected ${exact}`);
  }
  const most = type === TYPE.boolean ? 1 : MOST_BYTES[type];
  if (most !== undefined && size > most) throw new RangeError(`a field of type ${type} with ${size} bytes`);
}

/** 001SSVVV, and one to four bytes more. */
function pointerAt(walk: Walk, at: number, control: number): { target: number; end: number } {
  const more = ((control >> 3) & 3) + 1;
  const low = walk.bytes.readUIntBE(at + 1, more);
  const value = more === 4 ? low : (control & 7) * 2 ** (8 * more) + low;
  const base = more === 2 ? 2048 : more === 3 ? 526_336 : 0;
  return { target: walk.from + value + base, end: at + 1 + more };
}

function sizeAt(bytes: Buffer, at: number, size: number): { size: number; end: number } {
  if (size < 29) return { size, end: at };
  if (size === 29) return { size: 29 + bytes[at]!, end: at + 1 };
  if (size === 30) return { size: 285 + bytes.readUInt16BE(at), end: at + 2 };
  return { size: 65_821 + bytes.readUIntBE(at, 3), end: at + 3 };
}
