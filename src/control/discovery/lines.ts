// A stream of bytes as its lines, none longer than a bound: what a watch tells, one JSON a line.

const MAX_LINE_BYTES = 8 * 1024 * 1024;
const LF = 0x0a;

/** Without their ends; empty ones are passed over, and so is a last one that was cut short. Rejects when one is too long. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
      const line = Buffer.concat([...parts, chunk.subarray(from, at)]).toString('utf8');
      parts = [];
      bytes = 0;
      from = at + 1;
      if (line.trim() !== '') yield line;
    }
    const rest = chunk.subarray(from);
    bytes += rest.length;
    if (bytes > MAX_LINE_BYTES) throw new Error('a line is too long');
    if (rest.length > 0) parts.push(rest);
  }
}
