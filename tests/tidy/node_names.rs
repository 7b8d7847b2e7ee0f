//! The names of Node's `net` and `dgram` that became others here, each of which the search of the docs finds.

use crate::file::File;

/// The renamed functions, options, events, methods and properties, as Node's documentation lists them.
///
/// Left out are names that are the same but for underscores (`write`, `pause`, `cork`, `address`). So are those without
/// a counterpart: promises, abort signals, the cluster, JSON, the process-wide defaults of `autoSelectFamily`.
const RENAMED: &[&str] = &[
    // Functions.
    "createConnection",
    "createServer",
    "isIP",
    "isIPv4",
    "isIPv6",
    "net.connect",
    // Options.
    "allowHalfOpen",
    "autoSelectFamily",
    "autoSelectFamilyAttemptTimeout",
    "blockList",
    "highWaterMark",
    "ipv6Only",
    "keepAlive",
    "keepAliveInitialDelay",
    "localAddress",
    "localPort",
    "lookup",
    "noDelay",
    "onread",
    "pauseOnConnect",
    "readableAll",
    "reusePort",
    "typeOfService",
    "writableAll",
    // Events.
    "close",
    "connect",
    "connection",
    "connectionAttempt",
    "connectionAttemptFailed",
    "connectionAttemptTimeout",
    "data",
    "drain",
    "drop",
    "end",
    "error",
    "finish",
    "hadError",
    "listening",
    "ready",
    "timeout",
    // Servers.
    "closeAllConnections",
    "getConnections",
    "hasRef",
    "maxConnections",
    "net.Server",
    "ref",
    "unref",
    // Sockets.
    "autoSelectFamilyAttemptedAddresses",
    "bufferSize",
    "bytesRead",
    "bytesWritten",
    "closed",
    "connecting",
    "destroy",
    "destroyed",
    "destroySoon",
    "errored",
    "getTypeOfService",
    "isPaused",
    "localFamily",
    "net.Socket",
    "pending",
    "readable",
    "readableEnded",
    "readyState",
    "remoteAddress",
    "remoteFamily",
    "remotePort",
    "resetAndDestroy",
    "server",
    "setEncoding",
    "setKeepAlive",
    "setNoDelay",
    "setTimeout",
    "setTypeOfService",
    "stream.pipe",
    "unshift",
    "writable",
    "writableEnded",
    "writableFinished",
    "writableHighWaterMark",
    "writableLength",
    "writableNeedDrain",
    // Values.
    "BoundSocket",
    "PRIVATE_RANGES",
    "SocketAddress",
    "addAddress",
    "addCIDR",
    "addRange",
    "addSubnet",
    "clear",
    "removeAddress",
    "removeCIDR",
    "removeRange",
    "removeSubnet",
    "size",
    // Datagrams.
    "addMembership",
    "addSourceSpecificMembership",
    "createSocket",
    "dgram",
    "dgram.Socket",
    "dgram.bind",
    "dgram.connect",
    "dropMembership",
    "dropSourceSpecificMembership",
    "getRecvBufferSize",
    "getSendBufferSize",
    "getSendQueueCount",
    "getSendQueueSize",
    "message",
    "receiveBlockList",
    "recvBufferSize",
    "reuseAddr",
    "sendBlockList",
    "sendBufferSize",
    "setMulticastInterface",
    "setMulticastLoopback",
    "setMulticastTTL",
    "setRecvBufferSize",
    // Timers and threads.
    "clearInterval",
    "clearTimeout",
    "postMessage",
    "process.stdin",
    "setImmediate",
    "setInterval",
];

/// Returns the names that no `#[doc(alias)]` of the library has.
pub(crate) fn without_alias(files: &[File]) -> Vec<&'static str> {
    let aliases: Vec<_> = files
        .iter()
        .filter(|file| file.is_in("src"))
        .flat_map(|file| file.text.lines())
        .filter(|line| line.trim_start().starts_with("#[doc(alias"))
        .collect();
    let is_missing = |name: &&str| {
        let quoted = format!("\"{name}\"");
        !aliases.iter().any(|line| line.contains(&quoted))
    };
    RENAMED.iter().copied().filter(is_missing).collect()
}
