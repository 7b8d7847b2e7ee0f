//! The scenarios of datagrams. A step is a line: the verb, the socket, and `@` before the name of another address.

/// One scenario, the same for Node and for netloop.
#[derive(Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) steps: &'static str,
    /// Words that only Node's events have, words that only ours have, and the reason.
    pub(super) difference: Option<(&'static str, &'static str, &'static str)>,
}

const fn same(name: &'static str, steps: &'static str) -> Scenario {
    Scenario {
        name,
        steps,
        difference: None,
    }
}

const fn other(
    name: &'static str,
    steps: &'static str,
    node: &'static str,
    ours: &'static str,
    reason: &'static str,
) -> Scenario {
    Scenario {
        name,
        steps,
        difference: Some((node, ours, reason)),
    }
}

pub(super) const SCENARIOS: &[Scenario] = &[
    same(
        "echo",
        "bind a\nawait a listening\nbind b echo\nawait b listening\nsend a @b hello\nawait a message \"hello\" from b\n\
         close a\nclose b\nawait a close\nawait b close",
    ),
    same(
        "an empty datagram",
        "bind a\nawait a listening\nbind b echo\nawait b listening\nsend a @b \nawait a message \"\" from b",
    ),
    same(
        "a long datagram",
        "bind a\nawait a listening\nbind b\nawait b listening\nsend a @b *60000\nawait b message \"60000 bytes\" from a",
    ),
    same(
        "a datagram that is too long",
        "bind a\nawait a listening\nbind b\nawait b listening\nsend a @b *70000\nawait a error send EMSGSIZE\n\
         send a @b short\nawait b message \"short\" from a",
    ),
    same(
        "two sends at once",
        "bind a\nawait a listening\nbind b\nawait b listening\nsend a @b one\nsend a @b two\nawait b message \"two\" from a",
    ),
    same(
        "a taken address",
        "bind a\nawait a listening\nbind b @a\nawait b error bind EADDRINUSE",
    ),
    same(
        "a shared address",
        "bind a reuse\nawait a listening\nbind b @a reuse\nawait b listening",
    ),
    same(
        "a close",
        "bind a\nawait a listening\nclose a\nawait a close\nsettle",
    ),
    same(
        "a close within a message",
        "bind a\nawait a listening\nbind b once\nawait b listening\nsend a @b one\nsend a @b two\nsend a @b three\n\
         await b close\nsettle",
    ),
    same(
        "a second close",
        "bind a\nawait a listening\nclose a\nawait a close\nclose a",
    ),
    same(
        "an address that is free behind a close",
        "bind a\nawait a listening\nclose a\nawait a close\nbind b @a\nawait b listening",
    ),
    same(
        "a connected pair",
        "bind a echo\nawait a listening\ndial b @a\nawait b connect\nsend b - hello\nawait b message \"hello\" from a\n\
         peer b",
    ),
    same(
        "a stranger to a connected socket",
        "bind a\nawait a listening\nbind c\nawait c listening\ndial b @a\nawait b connect\nsend c @b stranger\n\
         send a @b friend\nawait b message \"friend\" from a\nsettle",
    ),
    same(
        "a bound socket that is connected",
        "bind a\nawait a listening\nbind b\nawait b listening\nconnect b @a\nawait b connect\nsend b - hello\n\
         await a message \"hello\" from b\npeer b",
    ),
    same(
        "a second connect",
        "bind a\nawait a listening\ndial b @a\nawait b connect\nconnect b @a\nsettle",
    ),
    same(
        "the peer of a socket that has none",
        "bind a\nawait a listening\npeer a",
    ),
    same(
        "a refusal to a connected socket",
        "dead d\ndial a @d\nawait a connect\nsend a - x\nawait a error recvmsg ECONNREFUSED\nsettle",
    ),
    same(
        "no refusal to an unconnected socket",
        "dead d\nbind a\nawait a listening\nsend a @d x\nsettle\nsend a @d y\nsettle",
    ),
    same(
        "the right options",
        "bind a\nawait a listening\nset a setTTL 1\nset a setTTL 255\nset a setMulticastTTL 1\nset a setMulticastTTL 255\n\
         set a setBroadcast true\nset a setBroadcast false\nset a setMulticastLoopback false\nset a setRecvBufferSize 9000",
    ),
    same(
        "a group",
        "bind a any\nawait a listening\njoin a 239.99.77.1\nbind b\nawait b listening\nfrom b\ngroup g @a 239.99.77.1\n\
         send b @g hello\nawait a message \"hello\" from b",
    ),
    same(
        "a group that was left",
        "bind a any\nawait a listening\njoin a 239.99.77.2\nleave a 239.99.77.2\nbind b\nawait b listening\nfrom b\n\
         group g @a 239.99.77.2\nsend b @g hello\nsettle",
    ),
    same(
        "a group for two sockets of a port",
        "bind a any reuse\nawait a listening\nbind b @a any reuse\nawait b listening\njoin a 239.99.77.3\njoin b 239.99.77.3\n\
         bind c\nawait c listening\nfrom c\ngroup g @a 239.99.77.3\nsend c @g hello\nawait a message \"hello\" from c\n\
         await b message \"hello\" from c",
    ),
    same(
        "an empty queue",
        "bind a\nawait a listening\nbind b\nawait b listening\nqueue a\nsend a @b x\nawait b message \"x\" from a\nqueue a",
    ),
    same(
        "a broadcast without the option",
        "bind a any\nawait a listening\ngroup g @a 127.255.255.255\nsend a @g x\nawait a error send EACCES",
    ),
    same(
        "IPv6",
        "bind a ipv6\nawait a listening\nbind b ipv6 echo\nawait b listening\nsend a @b hello\nawait a message \"hello\" from b",
    ),
    same(
        "many datagrams in order",
        "bind a\nawait a listening\nbind b\nawait b listening\nsend a @b 1\nsend a @b 2\nsend a @b 3\nsend a @b 4\nsend a @b 5\n\
         send a @b 6\nsend a @b 7\nsend a @b 8\nawait b message \"8\" from a",
    ),
    other(
        "a wrong option",
        "bind a\nawait a listening\nset a setTTL 256\nset a setMulticastTTL 256",
        "refused EINVAL",
        "refused ERR_INVALID_ARGUMENT",
        "an argument that no system takes is refused before any call, and the text names the range",
    ),
    other(
        "an address to a connected socket",
        "bind a\nawait a listening\ndial b @a\nawait b connect\nsend b @a x\nsettle",
        "refused ERR_SOCKET_DGRAM_IS_CONNECTED",
        "error - ERR_SOCKET_DGRAM_IS_CONNECTED",
        "a send throws nothing: its error comes to on_error, as every other error of a send",
    ),
    other(
        "no address and no peer",
        "bind a\nawait a listening\nsend a - x\nsettle",
        "refused ERR_SOCKET_BAD_PORT",
        "error - ERR_SOCKET_DGRAM_NOT_CONNECTED",
        "a send throws nothing, and the code says what is missing",
    ),
    other(
        "a send behind a close",
        "bind a\nawait a listening\nclose a\nawait a close\nsend a @a x",
        "refused ERR_SOCKET_DGRAM_NOT_RUNNING",
        "a: listening, close\n",
        "a send to a closed socket answers DatagramFlow::Closed",
    ),
    other(
        "an unknown membership",
        "bind a any\nawait a listening\nleave a 10.0.0.1",
        "refused EADDRNOTAVAIL",
        "refused ERR_INVALID_ARGUMENT",
        "an address that is no group is refused before any call",
    ),
];
