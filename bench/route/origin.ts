// One origin of the routing bench, a process of its own so that it can be killed -9: answers after a fixed delay.
// node origin.ts PORT NAME DELAY_MS

import { createServer } from 'node:http';

const [port, name, delayMs] = process.argv.slice(2);
createServer({ keepAliveTimeout: 65_000 }, (req, res) => {
  req.resume();
  setTimeout(() => res.writeHead(200, { 'X-Origin': name!, 'Content-Length': '3' }).end('ok\n'), Number(delayMs));
}).listen(Number(port), '127.0.0.1');
