// Plays one scenario of datagrams with Node's dgram: the steps come by standard input, and the events of each socket go to
// standard output. `datagrams.rs` plays the same with netloop.
'use strict';
const dgram = require('node:dgram');
const host = process.argv[2];
const sockets = new Map();
const names = new Map();
const lanes = new Map();
const waiting = [];

function note(name, event) {
  if (!lanes.has(name)) lanes.set(name, []);
  lanes.get(name).push(event);
  for (const wait of waiting.splice(0)) wait();
}

function make(name, words) {
  const socket = dgram.createSocket({
    type: words.includes('ipv6') ? 'udp6' : 'udp4',
    reuseAddr: words.includes('reuse'),
    ipv6Only: words.includes('only6'),
  });
  sockets.set(name, socket);
  socket.on('listening', () => {
    const { address, port } = socket.address();
    names.set(`${address}:${port}`, name);
    names.set(name, [port, address]);
    note(name, 'listening');
  });
  socket.on('connect', () => note(name, 'connect'));
  socket.on('message', (data, from) => {
    const text = data.length > 20 ? `${data.length} bytes` : data.toString();
    note(name, `message "${text}" from ${names.get(`${from.address}:${from.port}`)}`);
    if (words.includes('echo')) socket.send(data, from.port, from.address);
    if (words.includes('once')) socket.close();
  });
  socket.on('error', (error) => note(name, `error ${error.syscall ?? '-'} ${error.code}`));
  socket.on('close', () => note(name, 'close'));
  return socket;
}

function heard(name, event) {
  return (lanes.get(name) ?? []).includes(event);
}

async function until(name, event) {
  const deadline = Date.now() + 20000;
  while (!heard(name, event)) {
    if (Date.now() > deadline) throw new Error(`${name} is not told ${event}`);
    await new Promise((resolve) => {
      waiting.push(resolve);
      setTimeout(resolve, 1000).unref();
    });
  }
}

// A call that may throw, as Node does where netloop returns an error.
function attempt(name, call) {
  try {
    call();
  } catch (error) {
    note(name, `refused ${error.code}`);
  }
}

async function step(line) {
  const [verb, name, ...words] = line.trim().split(' ');
  const socket = sockets.get(name);
  const [port, address] = names.get(words[0]?.slice(1)) ?? [];
  const rest = words.slice(1).join(' ');
  switch (verb) {
    case 'bind': {
      const place = words.includes('ipv6') ? '::1' : host;
      make(name, words).bind(port ?? 0, words.includes('any') ? undefined : place);
      break;
    }
    case 'dead': {
      const gone = dgram.createSocket('udp4');
      await new Promise((resolve) => gone.bind(0, host, resolve));
      names.set(name, [gone.address().port, host]);
      await new Promise((resolve) => gone.close(resolve));
      break;
    }
    case 'dial': {
      const dialing = make(name, words);
      dialing.bind(0, host, () => dialing.connect(port, address));
      break;
    }
    case 'connect': attempt(name, () => socket.connect(port, address)); break;
    case 'send': {
      const data = rest.startsWith('*') ? Buffer.alloc(Number(rest.slice(1)), 'x') : rest;
      // Without a callback Node keeps the error to itself.
      const done = (error) => error && note(name, `error ${error.syscall} ${error.code}`);
      attempt(name, () => (port ? socket.send(data, port, address, done) : socket.send(data, done)));
      break;
    }
    case 'close': attempt(name, () => socket.close()); break;
    case 'set': {
      const [option, value] = words;
      const values = { true: true, false: false };
      attempt(name, () => {
        socket[option](value in values ? values[value] : Number(value));
        note(name, `set ${option} ${value}`);
      });
      break;
    }
    case 'join': attempt(name, () => { socket.addMembership(words[0], '127.0.0.1'); note(name, 'joined'); }); break;
    case 'leave': attempt(name, () => { socket.dropMembership(words[0], '127.0.0.1'); note(name, 'left'); }); break;
    case 'from': attempt(name, () => { socket.setMulticastInterface('127.0.0.1'); }); break;
    case 'group': names.set(name, [names.get(words[0].slice(1))[0], words[1]]); break;
    case 'peer': attempt(name, () => {
      const { address: there, port: at } = socket.remoteAddress();
      note(name, `peer ${names.get(`${there}:${at}`)}`);
    }); break;
    case 'queue': note(name, `queued ${socket.getSendQueueSize()} in ${socket.getSendQueueCount()}`); break;
    case 'await': await until(name, words.join(' ')); break;
    case 'settle': await new Promise((resolve) => setTimeout(resolve, 60)); break;
    default: throw new Error(`no step ${verb}`);
  }
}

async function main() {
  const text = require('node:fs').readFileSync(0, 'utf8');
  for (const line of text.split('\n').filter((line) => line.trim())) await step(line);
  for (const name of [...lanes.keys()].sort()) {
    console.log(`${name}: ${lanes.get(name).join(', ')}`);
  }
  process.exit(0);
}

main().catch((error) => {
  console.log(`failed: ${error.message}`);
  process.exit(1);
});
