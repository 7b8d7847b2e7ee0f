// A server for the comparison, on Node's net module. Bun and Deno run it too, as their node:net is compatible.
//
//   node net.mjs PORT MODE [--idle-timeout SECONDS] [--tuned]
//
// Both variants set noDelay and keep Node's default backlog of 511. The idiomatic variant is what Node's documentation
// teaches. The tuned variant, for Node alone, reads into one buffer that is used again (`onread`), which spares an
// allocation per read. It corks a broadcast, so that each member gets one write per turn. `onread` cannot be given to a
// server. So the server's handle gives its connections to this script, and not to net, which would make a needless
// socket for each.
import net from 'node:net';
import process from 'node:process';
import { Buffer } from 'node:buffer';

const [port, mode, ...options] = process.argv.slice(2);
const isTuned = options.includes('--tuned');
const idle = options.indexOf('--idle-timeout');
const idleTimeout = idle < 0 ? 0 : Number(options[idle + 1]) * 1000;

const messageLength = 64;
const floodBlock = Buffer.alloc(65536);
for (let i = 0; i < floodBlock.length; i++) floodBlock[i] = (i ^ (i >> 8)) & 0xff;

function prepare(socket) {
  socket.on('error', () => {});
  if (idleTimeout > 0) socket.setTimeout(idleTimeout, () => socket.destroy());
}

function pauseUntilDrain(socket) {
  socket.pause();
  socket.once('drain', () => socket.resume());
}

function echo(socket) {
  socket.on('data', (data) => {
    if (!socket.write(data)) pauseUntilDrain(socket);
  });
}

// Answers every 64 bytes with a write of its own.
function messages(socket) {
  socket.on('data', (data) => {
    let isOpen = true;
    for (let start = 0; start < data.length; start += messageLength) {
      isOpen = socket.write(data.subarray(start, start + messageLength));
    }
    if (!isOpen) pauseUntilDrain(socket);
  });
}

function discard(socket) {
  let received = 0;
  socket.on('data', (data) => {
    received += data.length;
  });
  socket.on('end', () => {
    const count = Buffer.alloc(8);
    count.writeBigUInt64BE(BigInt(received));
    socket.end(count);
  });
}

function flood(socket) {
  const pour = () => {
    while (!socket.destroyed && socket.write(floodBlock));
  };
  socket.on('drain', pour);
  socket.resume();
  pour();
}

const members = new Set();

function broadcast(socket) {
  members.add(socket);
  socket.on('close', () => members.delete(socket));
  socket.on('data', (data) => {
    for (const member of members) {
      if (member !== socket) member.write(data);
    }
  });
}

// The tuned variant ------------------------------------------------------------------------------------------------

const readBuffer = 64 * 1024;

// Buffers of connections that are gone. A buffer cannot be shared among open sockets, since a write that the kernel did
// not take whole still refers to it.
const buffers = [];
const mostBuffers = 1024;

// Makes a socket for the handle of a connection, which reads into one buffer and calls `received(socket, bytes)`. That
// may return false to stop reading until resume().
function reread(handle, received) {
  const buffer = buffers.pop() ?? Buffer.allocUnsafeSlow(readBuffer);
  const socket = new net.Socket({
    handle,
    onread: { buffer, callback: (length) => received(socket, buffer.subarray(0, length)) },
  });
  socket.on('close', () => {
    if (buffers.length < mostBuffers) buffers.push(buffer);
  });
  prepare(socket);
  socket.resume();
}

function echoTuned(handle) {
  reread(handle, (socket, bytes) => {
    socket.write(bytes);
    if (socket.writableLength === 0) return true;
    // An empty write behind the unfinished one tells when the buffer is free again.
    socket.write(Buffer.alloc(0), () => socket.resume());
    return false;
  });
}

const corked = new Set();

function uncork() {
  for (const member of corked) member.uncork();
  corked.clear();
}

function broadcastTuned(socket) {
  members.add(socket);
  socket.on('close', () => members.delete(socket));
  socket.on('data', (data) => {
    if (corked.size === 0) setImmediate(uncork);
    for (const member of members) {
      if (member === socket) continue;
      if (!corked.has(member)) {
        corked.add(member);
        member.cork();
      }
      member.write(data);
    }
  });
}

const idiomatic = { echo, messages, discard, flood, broadcast };
const tuned = { echo: echoTuned, broadcast: broadcastTuned };
const serve = (isTuned ? tuned : idiomatic)[mode];
const rereads = isTuned && mode === 'echo';

const server = net.createServer({ noDelay: true, allowHalfOpen: mode === 'discard' }, (socket) => {
  prepare(socket);
  serve(socket);
});
server.listen({ port: Number(port), host: '127.0.0.1', backlog: 511 }, () => {
  if (rereads) {
    server._handle.onconnection = (error, handle) => {
      if (error) return;
      handle.setNoDelay(true);
      serve(handle);
    };
  }
  const { address, port } = server.address();
  console.log(`listening ${address}:${port}`);
});
