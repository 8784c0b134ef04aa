// fast-proxy as its README starts it, on node:http: its own agent keeps connections alive. node fast-proxy.ts PORT ORIGIN_PORT

import { createServer } from 'node:http';
import fastProxy from 'fast-proxy';

const [port, originPort] = process.argv.slice(2, 4).map(Number);
const { proxy } = fastProxy({ base: `http://127.0.0.1:${originPort}` });
createServer((req, res) => proxy(req, res, req.url!, {})).listen(port, '127.0.0.1');
