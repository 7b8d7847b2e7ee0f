// A server for the comparison, on Deno's own sockets: one asynchronous loop and one buffer for each connection.
//
//   deno run --allow-net deno.js PORT MODE [--idle-timeout SECONDS]
//
// setNoDelay as everywhere; Deno does not let the backlog be chosen.
const [port, mode, ...options] = Deno.args;
const idle = options.indexOf('--idle-timeout');
const idleTimeout = idle < 0 ? 0 : Number(options[idle + 1]) * 1000;
const readBuffer = 16 * 1024;

const messageLength = 64;
const floodBlock = new Uint8Array(65536);
for (let i = 0; i < floodBlock.length; i++) floodBlock[i] = (i ^ (i >> 8)) & 0xff;

async function writeAll(connection, bytes) {
  for (let sent = 0; sent < bytes.length; ) {
    sent += await connection.write(sent === 0 ? bytes : bytes.subarray(sent));
  }
}

// Activity stores a time; one timer per connection looks at it when it fires, which is the cheapest way in JavaScript.
function watch(connection) {
  const state = { last: performance.now(), timer: 0 };
  const check = () => {
    const left = state.last + idleTimeout - performance.now();
    if (left > 0) state.timer = setTimeout(check, left);
    else close(connection);
  };
  state.timer = setTimeout(check, idleTimeout);
  return state;
}

function close(connection) {
  try {
    connection.close();
  } catch {
    // It was closed already.
  }
}

async function echo(connection, state) {
  const buffer = new Uint8Array(readBuffer);
  for (;;) {
    const length = await connection.read(buffer);
    if (length === null) return;
    if (state) state.last = performance.now();
    await writeAll(connection, buffer.subarray(0, length));
  }
}

async function messages(connection, state) {
  const buffer = new Uint8Array(readBuffer);
  for (;;) {
    const length = await connection.read(buffer);
    if (length === null) return;
    if (state) state.last = performance.now();
    for (let start = 0; start < length; start += messageLength) {
      await writeAll(connection, buffer.subarray(start, Math.min(start + messageLength, length)));
    }
  }
}

async function discard(connection) {
  const buffer = new Uint8Array(readBuffer);
  let received = 0;
  for (;;) {
    const length = await connection.read(buffer);
    if (length === null) break;
    received += length;
  }
  const count = new Uint8Array(8);
  new DataView(count.buffer).setBigUint64(0, BigInt(received));
  await writeAll(connection, count);
}

async function flood(connection) {
  for (;;) await writeAll(connection, floodBlock);
}

// Each member has a queue of its own, so that a slow one holds nobody up.
const members = new Set();

async function broadcast(connection) {
  const member = { connection, queue: [], sending: false };
  members.add(member);
  try {
    const buffer = new Uint8Array(readBuffer);
    for (;;) {
      const length = await connection.read(buffer);
      if (length === null) return;
      const words = buffer.slice(0, length);
      for (const other of members) {
        if (other !== member) tell(other, words);
      }
    }
  } finally {
    members.delete(member);
  }
}

async function tell(member, words) {
  member.queue.push(words);
  if (member.sending) return;
  member.sending = true;
  try {
    while (member.queue.length > 0) {
      await writeAll(member.connection, member.queue.shift());
    }
  } catch {
    members.delete(member);
  }
  member.sending = false;
}

const serve = { echo, messages, discard, flood, broadcast }[mode];

async function converse(connection) {
  connection.setNoDelay(true);
  const state = idleTimeout > 0 ? watch(connection) : null;
  try {
    await serve(connection, state);
  } catch {
    // A connection that fails ends itself and nothing else.
  } finally {
    if (state) clearTimeout(state.timer);
    close(connection);
  }
}

const listener = Deno.listen({ hostname: '127.0.0.1', port: Number(port) });
console.log(`listening ${listener.addr.hostname}:${listener.addr.port}`);
for await (const connection of listener) converse(connection);
