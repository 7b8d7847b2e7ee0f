// A server for the comparison, on Bun's own sockets (Bun.listen), which skip node:net.
//
//   bun bun.js PORT MODE [--idle-timeout SECONDS]
//
// One object of handlers serves all sockets, `write` answers how many bytes it took, and the rest waits for `drain`.
// Bun's sockets cannot be corked, so what leaves together is put together here: the answers to one read, and what a
// member hears in one turn.
// Bun sets TCP_NODELAY by itself; we ask for it all the same.
const [port, mode, ...options] = process.argv.slice(2);
const idle = options.indexOf('--idle-timeout');
const idleTimeout = idle < 0 ? 0 : Number(options[idle + 1]);

const messageLength = 64;
const answers = mode === 'echo' || mode === 'messages';
const floodBlock = new Uint8Array(65536);
for (let i = 0; i < floodBlock.length; i++) floodBlock[i] = (i ^ (i >> 8)) & 0xff;

// Sends, and keeps a copy of what was not taken; reading stops until that is gone.
function send(socket, bytes) {
  if (socket.data.unsent.length > 0) {
    socket.data.unsent.push(new Uint8Array(bytes));
    return;
  }
  const taken = Math.max(0, socket.write(bytes));
  if (taken < bytes.length) {
    socket.data.unsent.push(bytes.slice(taken));
    if (answers) socket.pause();
  }
}

function flush(socket) {
  const { unsent } = socket.data;
  while (unsent.length > 0) {
    const taken = Math.max(0, socket.write(unsent[0]));
    if (taken < unsent[0].length) {
      unsent[0] = unsent[0].subarray(taken);
      return;
    }
    unsent.shift();
  }
  if (answers) socket.resume();
  if (socket.data.ended) socket.end();
}

function pour(socket) {
  for (;;) {
    const rest = floodBlock.subarray(socket.data.position);
    const taken = Math.max(0, socket.write(rest));
    socket.data.position = (socket.data.position + taken) % floodBlock.length;
    if (taken < rest.length) return;
  }
}

function count(value) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

const members = new Set();

// What was said in this turn, by whom, and how much of it there is.
let said = [];
let saidLength = 0;

function hear(socket, bytes) {
  if (said.length === 0) setImmediate(passOn);
  // The bytes are Bun's, and only until the handler returns.
  said.push({ speaker: socket, words: bytes.slice() });
  saidLength += bytes.length;
}

function passOn() {
  const words = said;
  const all = joined(words, saidLength);
  const speakers = new Set(words.map(({ speaker }) => speaker));
  said = [];
  saidLength = 0;
  for (const member of members) {
    if (!speakers.has(member)) {
      send(member, all);
      continue;
    }
    const others = words.filter(({ speaker }) => speaker !== member);
    const length = others.reduce((sum, { words }) => sum + words.length, 0);
    if (length > 0) send(member, joined(others, length));
  }
}

function joined(list, length) {
  if (list.length === 1) return list[0].words;
  const whole = new Uint8Array(length);
  let position = 0;
  for (const { words } of list) {
    whole.set(words, position);
    position += words.length;
  }
  return whole;
}

// Room for the answers to one read.
let gathered = new Uint8Array(65536);

const reads = {
  echo: (socket, bytes) => send(socket, bytes),
  messages: (socket, bytes) => {
    if (gathered.length < bytes.length) gathered = new Uint8Array(2 * bytes.length);
    let end = 0;
    for (let start = 0; start < bytes.length; start += messageLength) {
      const answer = bytes.subarray(start, start + messageLength);
      gathered.set(answer, end);
      end += answer.length;
    }
    send(socket, gathered.subarray(0, end));
  },
  discard: (socket, bytes) => {
    socket.data.received += bytes.length;
  },
  flood: () => {},
  broadcast: hear,
};

const server = Bun.listen({
  hostname: '127.0.0.1',
  port: Number(port),
  allowHalfOpen: mode === 'discard',
  socket: {
    open(socket) {
      socket.data = { unsent: [], received: 0, position: 0, ended: false };
      socket.setNoDelay?.(true);
      if (idleTimeout > 0) socket.timeout(idleTimeout);
      if (mode === 'broadcast') members.add(socket);
      if (mode === 'flood') pour(socket);
    },
    data:
      idleTimeout > 0
        ? (socket, bytes) => {
            socket.timeout(idleTimeout);
            reads[mode](socket, bytes);
          }
        : reads[mode],
    drain: mode === 'flood' ? pour : flush,
    end(socket) {
      socket.data.ended = true;
      if (mode === 'discard') send(socket, count(socket.data.received));
      if (socket.data.unsent.length === 0) socket.end();
    },
    timeout(socket) {
      socket.end();
    },
    close(socket) {
      members.delete(socket);
    },
    error() {},
  },
});
console.log(`listening ${server.hostname}:${server.port}`);
