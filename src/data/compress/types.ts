// Which content is worth compressing, by its type. Media, archives and fonts of the web (woff) are compressed already.
// Event streams and gRPC stay as they are: such a stream lives for hours, would hold a compressor all the time, and each small
// event would have to be flushed by itself, which is slow and saves next to nothing.

const TYPES: ReadonlySet<string> = new Set([
  'application/ecmascript',
  'application/graphql',
  'application/javascript',
  'application/json',
  'application/json-seq',
  'application/jsonl',
  'application/rtf',
  'application/sql',
  'application/toml',
  'application/vnd.apple.mpegurl',
  'application/vnd.ms-fontobject',
  'application/wasm',
  'application/x-javascript',
  'application/x-mpegurl',
  'application/x-ndjson',
  'application/x-sh',
  'application/x-yaml',
  'application/xml',
  'application/xml-dtd',
  'application/yaml',
  'font/collection',
  'font/otf',
  'font/ttf',
  'image/bmp',
  'image/vnd.microsoft.icon',
  'image/x-icon',
]);

/** Values seen before; a service has few, and one that makes them up is not worth remembering. */
const known = new Map<string, boolean>();
const MAX_KNOWN = 512;

/** Of a Content-Type value, parameters and all. */
export function isCompressible(contentType: string): boolean {
  let answer = known.get(contentType);
  if (answer === undefined) {
    answer = judge(contentType);
    if (known.size < MAX_KNOWN) known.set(contentType, answer);
  }
  return answer;
}

function judge(contentType: string): boolean {
  const semicolon = contentType.indexOf(';');
  const type = (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
  if (type === 'text/event-stream' || type.startsWith('application/grpc')) return false;
  return type.startsWith('text/') || type.endsWith('+json') || type.endsWith('+xml') || TYPES.has(type);
}
