'use strict';

// Node's side of the comparison: does what the lines on stdin say with `net`, and writes every event as a line to
// stdout. It knows no scenario; `netloop_subject.rs` is the same interpreter over netloop, and README.md has the words.

const fs = require('node:fs');
const net = require('node:net');

/** What the current scenario has made, by name. Replaced as a whole between scenarios, so that late events are mute. */
let stage = emptyStage();

/** Where to listen and connect, if a scenario does not say. */
const local = process.argv[2];

function emptyStage() {
  return { handles: new Map(), rules: new Map(), counts: new Map(), letters: new Map() };
}

function say(line) {
  // Synchronous: the order of the lines is the order of the events.
  fs.writeSync(1, `${line}\n`);
}

// ---- events ----

/** Writes the event down, then does what the scenario wants done at it. */
function see(mine, name, event, detail) {
  if (mine !== stage) return;
  say(`${name} ${event}${detail}`);
  const key = `${name}.${event}`;
  const count = (mine.counts.get(key) ?? 0) + 1;
  mine.counts.set(key, count);
  for (const rule of mine.rules.get(key) ?? []) {
    if (rule.only === undefined || rule.only === count) perform(rule.actions);
  }
}

/** The state with both counters, as they are at an event. */
function snapshot(socket) {
  return ` [${socket.readyState} ${socket.bytesRead}/${socket.bytesWritten}]`;
}

/** Its code, and of how many attempts it tells. */
function codeOf(error) {
  const attempts = error.errors?.length ?? 0;
  return attempts > 0 ? `${error.code} of ${attempts}` : error.code;
}

function watchSocket(name, socket, options) {
  const mine = stage;
  mine.handles.set(name, socket);
  const tell = (event, detail) => see(mine, name, event, detail);
  socket.on('lookup', (error, address) => tell('lookup', `(${error ? error.code : address})`));
  socket.on('connectionAttempt', (address) => tell('attempt', `(${address})`));
  socket.on('connectionAttemptFailed', (address, port, family, error) =>
    tell('attemptFailed', `(${address} ${error.code})`));
  socket.on('connectionAttemptTimeout', (address) => tell('attemptTimeout', `(${address})`));
  socket.on('connect', () => tell('connect', snapshot(socket)));
  if (!options.no_consumer) {
    socket.on('data', (chunk) => tell('data', ` ${chunk.length} [${socket.readyState}]`));
  }
  socket.on('drain', () => tell('drain', ` [${socket.readyState}]`));
  socket.on('end', () => tell('end', snapshot(socket)));
  socket.on('timeout', () => tell('timeout', ` [${socket.readyState}]`));
  socket.on('error', (error) => tell('error', `(${codeOf(error)})`));
  socket.on('close', (hadError) => tell('close', `(${hadError})${snapshot(socket)}`));
}

function watchServer(name, server, options) {
  const mine = stage;
  let count = 0;
  mine.handles.set(name, server);
  const tell = (event, detail) => see(mine, name, event, detail);
  server.on('listening', () => tell('listening', `(${whereIs(server)})`));
  server.on('connection', (socket) => {
    if (mine !== stage) {
      socket.destroy();
      return;
    }
    count += 1;
    watchSocket(`${name}${count}`, socket, options);
    tell('connection', `(${name}${count})`);
  });
  server.on('drop', () => tell('drop', ''));
  server.on('error', (error) => tell('error', `(${codeOf(error)})`));
  server.on('close', () => tell('close', ''));
}

function whereIs(server) {
  const address = server.address();
  if (address === null || typeof address === 'string') return String(address);
  return place(address.address, address.port);
}

function place(address, port) {
  if (address === undefined) return 'none';
  return net.isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

// ---- actions ----

/** The actions, by verb; each is given the name that it is about, the handle of that name, and the rest. */
const verbs = {
  listen(name, _, words) {
    const options = parseOptions(words);
    const server = net.createServer({
      allowHalfOpen: options.half_open,
      pauseOnConnect: options.paused,
      highWaterMark: Number(options.high_water ?? 65536),
      noDelay: true,
    });
    if (options.max !== undefined) server.maxConnections = Number(options.max);
    watchServer(name, server, options);
    if (options.path) server.listen(options.path);
    else server.listen(Number(options.port ?? 0), options.host ?? local);
  },

  connect(name, _, words) {
    const options = parseOptions(words);
    const socket = new net.Socket({
      allowHalfOpen: options.half_open,
      highWaterMark: Number(options.high_water ?? 65536),
      noDelay: true,
    });
    if (options.paused) socket.pause();
    watchSocket(name, socket, options);
    if (options.timeout) socket.setTimeout(Number(options.timeout));
    if (options.path) {
      socket.connect({ path: options.path });
      return;
    }
    socket.connect({
      host: options.host ?? local,
      port: Number(options.port),
      localAddress: options.local,
      lookup: options.lookup === undefined ? undefined : resolverOf(options),
      autoSelectFamily: !options.first_only,
      autoSelectFamilyAttemptTimeout: Number(options.attempt_delay ?? 250),
    });
  },

  write(name, socket, [length, token]) {
    const bytes = payload(name, Number(length));
    let told;
    if (token !== undefined) {
      const mine = stage;
      told = (error) => see(mine, name, 'sent', `(${token} ${error ? error.code : 'ok'})`);
    }
    say(`${name} write(${length})=${socket.write(bytes, told)}`);
  },

  end(name, socket, [length]) {
    if (length === undefined) socket.end();
    else socket.end(payload(name, Number(length)));
  },

  reset(name, socket) {
    try {
      socket.resetAndDestroy();
    } catch (error) {
      say(`${name} reset=${error.code}`);
    }
  },

  destroy: (_, socket) => socket.destroy(),
  destroy_with: (_, socket, [code]) => socket.destroy(Object.assign(new Error(code), { code })),
  destroy_soon: (_, socket) => socket.destroySoon(),
  pause: (_, socket) => socket.pause(),
  resume: (_, socket) => socket.resume(),
  cork: (_, socket) => socket.cork(),
  uncork: (_, socket) => socket.uncork(),
  set_timeout: (_, socket, [ms]) => socket.setTimeout(Number(ms)),
  set_options: (_, socket) => socket.setNoDelay(true).setKeepAlive(true, 1000).unref().ref(),

  state: (name, socket) => say(`${name} state=${socket.readyState}`),
  note: (name, socket) => say(`${name} note${snapshot(socket)}`),
  destroyed: (name, socket) => say(`${name} destroyed=${socket.destroyed}`),
  queue: (name, socket) => say(`${name} queue=${socket.writableLength}`),
  tried: (name, socket) => say(`${name} tried=${socket.autoSelectFamilyAttemptedAddresses ?? ''}`),
  addresses(name, socket) {
    const local = place(socket.localAddress, socket.localPort);
    say(`${name} local=${local} remote=${place(socket.remoteAddress, socket.remotePort)}`);
  },

  close: (_, server) => server.close(),
  max: (_, server, [count]) => { server.maxConnections = Number(count); },
  listens: (name, server) => say(`${name} listens=${server.listening}`),
  address: (name, server) => say(`${name} address=${whereIs(server)}`),
  connections(name, server) {
    server.getConnections((_, count) => say(`${name} connections=${count}`));
  },

  /** Keeps the whole loop from turning until the file is there, so that the kernel has several things to say at once. */
  stall(_, __, [gate]) {
    const sleeper = new Int32Array(new SharedArrayBuffer(4));
    const latest = Date.now() + 5000;
    while (!fs.existsSync(gate) && Date.now() < latest) Atomics.wait(sleeper, 0, 0, 1);
  },
};

/** A resolver that knows the addresses of every name beforehand. */
function resolverOf(options) {
  const addresses = options.lookup === 'none' ? [] : options.lookup.split(',');
  const found = addresses.map((address) => ({ address, family: net.isIP(address) }));
  const answer = (all, callback) => {
    if (found.length === 0) callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
    else if (all) callback(null, found);
    else callback(null, found[0].address, found[0].family);
  };
  return (host, { all }, callback) => {
    if (options.lookup_at_once) answer(all, callback);
    else setTimeout(answer, Number(options.lookup_ms ?? 0), all, callback);
  };
}

/** Bytes that tell which write of the socket they come from. */
function payload(name, length) {
  const count = stage.letters.get(name) ?? 0;
  stage.letters.set(name, count + 1);
  return Buffer.alloc(length, 97 + (count % 26));
}

/** `a=1 b` becomes `{ a: '1', b: true }`. */
function parseOptions(words) {
  return Object.fromEntries(words.map((word) => {
    const at = word.indexOf('=');
    return at < 0 ? [word, true] : [word.slice(0, at), word.slice(at + 1)];
  }));
}

function perform(actions) {
  for (const action of actions.split(';')) {
    const [verb, name, ...words] = action.trim().split(/\s+/);
    verbs[verb](name, stage.handles.get(name), words);
  }
}

// ---- commands ----

const commands = {
  /** `on c.data@2: write c 5`: what to do at an event, or only at its second time. */
  on(rest) {
    const [, key, only, actions] = /^(\S+?)(?:@(\d+))?: (.*)$/.exec(rest);
    const rules = stage.rules.get(key) ?? [];
    stage.rules.set(key, [...rules, { only: only && Number(only), actions }]);
  },
  do(rest) {
    perform(rest);
    say('= done');
  },
  settle(rest) {
    setTimeout(say, Number(rest), '= done');
  },
  clear() {
    const { handles } = stage;
    stage = emptyStage();
    for (const handle of handles.values()) {
      if (handle instanceof net.Socket) handle.destroy();
      else if (handle.listening) handle.close();
    }
    say('= done');
  },
};

process.on('uncaughtException', (error) => say(`! ${error.stack.replaceAll('\n', ' | ')}`));

let unread = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text) => {
  const lines = (unread + text).split('\n');
  unread = lines.pop();
  for (const line of lines) {
    const at = line.indexOf(' ');
    const command = at < 0 ? line : line.slice(0, at);
    commands[command](at < 0 ? '' : line.slice(at + 1));
  }
});
// The comparison is over when nobody asks any more.
process.stdin.on('end', () => process.exit(0));
