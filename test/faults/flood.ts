// The process of a crowd: opens so many connections from one loopback address, as fast as the system lets it, keeps what it gets,
// and says once a second how many were let in and how many are still open. It ends when the channel closes.
// node flood.ts PORT CONNECTIONS ADDRESS

import { connect } from 'node:net';

const [port, connections] = [Number(process.argv[2]), Number(process.argv[3])];
const localAddress = process.argv[4]!;
/** Connects under way at one time. */
const AT_ONCE = 200;
const state = { begun: 0, connected: 0, closed: 0, failed: 0 };

process.on('disconnect', () => process.exit(0));
process.on('message', ({ id }: { id: number }) => process.send?.({ id, answer: state }));

for (let i = 0; i < AT_ONCE; i++) next();

function next(): void {
  if (state.begun === connections) return;
  state.begun++;
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  let isOn = false;
  socket.on('connect', () => {
    isOn = true;
    state.connected++;
    setImmediate(next);
  });
  socket.on('error', () => {});
  socket.on('data', () => {});
  socket.on('close', () => {
    if (isOn) state.closed++;
    else {
      state.failed++;
      setImmediate(next);
    }
  });
}
