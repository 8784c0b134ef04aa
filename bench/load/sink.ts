// The origin of the memory bench: swallows what is uploaded, sends as many bytes as are asked for (GET /BYTES).
// node sink.ts PORT

import { createServer, type ServerResponse } from 'node:http';

const BLOCK = Buffer.alloc(64 * 1024, 'x');

createServer({ keepAliveTimeout: 600_000 }, (req, res) => {
  let received = 0;
  req.on('data', (bytes: Buffer) => {
    received += bytes.length;
  });
  req.on('end', () => {
    if (req.method === 'GET') return pour(res, Number(req.url!.slice(1)) || 3);
    res.end(String(received));
  });
}).listen(Number(process.argv[2]), '127.0.0.1');

function pour(res: ServerResponse, bytes: number): void {
  res.setHeader('Content-Length', bytes);
  let left = bytes;
  const more = () => {
    while (left > 0) {
      const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
      left -= block.length;
      if (!res.write(block)) return void res.once('drain', more);
    }
    res.end();
  };
  more();
}
