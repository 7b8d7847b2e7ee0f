//! Each place where a difference that is meant shows, word for word. `deviations.rs` has the reasons. The file is long because
//! it is a list.

/// From which version on Node tells something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// From the oldest that is compared.
    Always,
    /// From this major version on.
    Node(u32),
    /// From this minor version of the libuv 1 within it on; lines of Node get a new libuv at different times.
    Libuv(u32),
}

/// A place where a deviation shows: the whole lane, as either has it.
pub(crate) struct Difference {
    pub(crate) deviations: &'static [&'static str],
    pub(crate) scenario: &'static str,
    pub(crate) lane: &'static str,
    /// Of these, the last one counts that the machine's Node is new enough for.
    pub(crate) node: &'static [(Since, &'static str)],
    pub(crate) netloop: &'static str,
}

pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        deviations: &["G3"],
        scenario: "the_peer_address_that_nobody_had_asked_for",
        lane: "c",
        node: &[(
            Since::Always,
            "attempt(127.0.0.1), connect [open 0/0], end [writeOnly 0/0], \
            close(false) [closed 0/0], local=none remote=none",
        )],
        netloop: "attempt(127.0.0.1), connect [open 0/0], end [writeOnly 0/0], \
            close(false) [closed 0/0], local=none remote=127.0.0.1:server",
    },
    Difference {
        deviations: &["A1", "C9 codes"],
        scenario: "connect_to_a_dead_port_with_writes_queued",
        lane: "c",
        node: &[(
            Since::Always,
            "write(5)=true, write(3)=true, queue=8, attempt(127.0.0.1), \
            attemptFailed(127.0.0.1 ECONNREFUSED), error(ECONNREFUSED), \
            close(true) [closed 0/8], sent(1 ERR_SOCKET_CLOSED_BEFORE_CONNECTION), \
            sent(2 ECONNREFUSED)",
        )],
        netloop: "write(5)=true, write(3)=true, queue=8, attempt(127.0.0.1), \
            attemptFailed(127.0.0.1 ECONNREFUSED), error(ECONNREFUSED), \
            sent(1 ECONNREFUSED), sent(2 ECONNREFUSED), close(true) [closed 0/8]",
    },
    Difference {
        deviations: &["A1"],
        scenario: "destroy_in_the_turn_of_connect_with_writes_queued",
        lane: "c",
        node: &[(
            Since::Always,
            "write(5)=true, write(3)=true, write(1)=false, close(false) [closed 0/8], \
            sent(1 ERR_SOCKET_CLOSED_BEFORE_CONNECTION), \
            sent(2 ERR_SOCKET_CLOSED_BEFORE_CONNECTION)",
        )],
        netloop: "write(5)=true, write(3)=true, write(1)=false, \
            sent(1 ERR_SOCKET_CLOSED_BEFORE_CONNECTION), \
            sent(2 ERR_SOCKET_CLOSED_BEFORE_CONNECTION), close(false) [closed 0/8]",
    },
    Difference {
        deviations: &["I11"],
        scenario: "a_name_whose_only_good_address_is_slow",
        lane: "c",
        node: &[(
            Since::Always,
            "lookup(127.0.0.2), lookup(127.0.0.1), attempt(127.0.0.2), \
            attemptTimeout(127.0.0.2), attempt(127.0.0.1), \
            attemptFailed(127.0.0.1 ECONNREFUSED), error(ETIMEDOUT of 2), \
            close(true) [closed 0/0]",
        )],
        netloop: "lookup(127.0.0.2), lookup(127.0.0.1), attempt(127.0.0.2), \
            attemptTimeout(127.0.0.2), attempt(127.0.0.1), \
            attemptFailed(127.0.0.1 ECONNREFUSED), connect [open 0/0], \
            local=127.0.0.1:other remote=127.0.0.2:server, close(false) [closed 0/0]",
    },
    Difference {
        deviations: &["A4"],
        scenario: "destroy_during_the_lookup_of_one_address",
        lane: "c",
        node: &[(
            Since::Always,
            "close(false) [closed 0/0], lookup(127.0.0.1)",
        )],
        netloop: "close(false) [closed 0/0]",
    },
    Difference {
        deviations: &["B1"],
        scenario: "a_resolver_that_answers_at_once",
        lane: "c",
        node: &[(
            Since::Always,
            "lookup(127.0.0.1), attempt(127.0.0.1), state=opening, connect [open 0/0], \
            end [closed 0/0], close(false) [closed 0/0]",
        )],
        netloop: "state=opening, lookup(127.0.0.1), attempt(127.0.0.1), connect [open 0/0], \
            end [closed 0/0], close(false) [closed 0/0]",
    },
    Difference {
        deviations: &["no limit"],
        scenario: "more_than_the_limit_of_the_queue",
        lane: "c",
        node: &[(
            Since::Always,
            "attempt(127.0.0.1), connect [open], write(12000000)=false, \
            write(12000000)=false, end [closed], close(false) [closed]",
        )],
        netloop: "attempt(127.0.0.1), connect [open], write(12000000)=false, \
            write(12000000)=false, error(ERR_QUEUE_LIMIT), close(true) [closed]",
    },
    Difference {
        deviations: &["C6"],
        scenario: "write_after_end",
        lane: "c",
        node: &[(
            Since::Always,
            "attempt(127.0.0.1), connect [open 0/0], write(3)=false, state=closed, \
            error(ERR_STREAM_WRITE_AFTER_END), close(true) [closed 0/4]",
        )],
        netloop: "attempt(127.0.0.1), connect [open 0/0], write(3)=false, state=readOnly, \
            end [closed 0/4], close(false) [closed 0/4]",
    },
    Difference {
        deviations: &["F2 after destroy"],
        scenario: "cork_and_destroy_in_one_handler",
        lane: "c",
        node: &[(
            Since::Always,
            "attempt(127.0.0.1), connect [open 0/0], write(5)=true, \
            close(false) [closed 0/0]",
        )],
        netloop: "attempt(127.0.0.1), connect [open 0/0], write(5)=true, \
            close(false) [closed 0/5]",
    },
    Difference {
        deviations: &["C9 codes", "Node before 22: cancelled writes"],
        scenario: "destroy_with_a_queue",
        lane: "c",
        node: &[
            (
                Since::Always,
                "attempt(127.0.0.1), connect [open], write(12000000)=false, write(3)=false, \
            destroyed=true, sent(1 ok), sent(2 ERR_STREAM_DESTROYED), \
            close(false) [closed]",
            ),
            (
                Since::Node(22),
                "attempt(127.0.0.1), connect [open], write(12000000)=false, write(3)=false, \
            destroyed=true, sent(1 ECANCELED), sent(2 ECANCELED), close(false) [closed]",
            ),
        ],
        netloop: "attempt(127.0.0.1), connect [open], write(12000000)=false, write(3)=false, \
            destroyed=true, sent(1 ERR_SOCKET_CLOSED), sent(2 ERR_SOCKET_CLOSED), \
            close(false) [closed]",
    },
    Difference {
        deviations: &["D4"],
        scenario: "the_end_of_the_peer_while_paused",
        lane: "c",
        node: &[(
            Since::Always,
            "attempt(127.0.0.1), connect [open 0/0], end [writeOnly 0/0], \
            close(false) [closed 0/0], state=closed",
        )],
        netloop: "attempt(127.0.0.1), connect [open 0/0], state=open, end [writeOnly 0/0], \
            close(false) [closed 0/0]",
    },
    Difference {
        deviations: &["D5"],
        scenario: "a_reset_while_paused",
        lane: "s1",
        node: &[(
            Since::Always,
            "state=open, error(ECONNRESET), close(true) [closed 0/0]",
        )],
        netloop: "error(ECONNRESET), close(true) [closed 0/0], state=closed",
    },
    Difference {
        deviations: &["D6"],
        scenario: "nobody_wants_the_data",
        lane: "s",
        node: &[(
            Since::Always,
            "listening(127.0.0.1:server), connection(s1), connections=1",
        )],
        netloop: "listening(127.0.0.1:server), connection(s1), connections=0",
    },
    Difference {
        deviations: &["D6"],
        scenario: "nobody_wants_the_data",
        lane: "s1",
        node: &[(Since::Always, "state=open")],
        netloop: "end [writeOnly 3/0], close(false) [closed 3/0], state=closed",
    },
    Difference {
        deviations: &["D9", "libuv before 1.52: D9"],
        scenario: "the_peer_resets_right_behind_its_data",
        lane: "s1",
        node: &[
            (
                Since::Always,
                "data(5) [open], end [writeOnly 5/0], close(false) [closed 5/0]",
            ),
            (
                Since::Libuv(52),
                "data(5) [open], error(ECONNRESET), close(true) [closed 5/0]",
            ),
        ],
        netloop: "data(5) [open], error(ECONNRESET), close(true) [closed 5/0]",
    },
    Difference {
        deviations: &["D9", "libuv before 1.52: D9"],
        scenario: "a_reset_behind_paused_data",
        lane: "s1",
        node: &[
            (
                Since::Always,
                "note [open 0/0], data(1000) [open], end [writeOnly 1000/0], \
            close(false) [closed 1000/0]",
            ),
            (
                Since::Libuv(52),
                "note [open 0/0], data(1000) [open], error(ECONNRESET), \
            close(true) [closed 1000/0]",
            ),
        ],
        netloop: "note [open 0/0], data(1000) [open], error(ECONNRESET), \
            close(true) [closed 1000/0]",
    },
    Difference {
        deviations: &["D5"],
        scenario: "a_late_write_to_a_peer_that_closed_behind_paused_data",
        lane: "s1",
        node: &[(
            Since::Always,
            "write(3)=true, note [open 0/3], data(1000) [open], \
            end [writeOnly 1000/3], close(false) [closed 1000/3]",
        )],
        netloop: "write(3)=true, note [open 0/3], data(1000) [open], end [writeOnly 1000/3], \
            error(EPIPE), close(true) [closed 1000/3]",
    },
    Difference {
        deviations: &[
            "C9 codes",
            "F2 after destroy",
            "Node before 22: cancelled writes",
        ],
        scenario: "the_peer_resets_while_much_is_queued",
        lane: "c",
        node: &[
            (
                Since::Always,
                "attempt(127.0.0.1), connect [open 0/0], write(12000000)=false, \
            write(3)=false, state=open, error(ECONNRESET), sent(1 ok), \
            sent(2 ECONNRESET), close(true) [closed 0/12000000]",
            ),
            (
                Since::Node(22),
                "attempt(127.0.0.1), connect [open 0/0], write(12000000)=false, \
            write(3)=false, state=open, error(ECONNRESET), sent(1 ECANCELED), \
            sent(2 ECONNRESET), close(true) [closed 0/12000000]",
            ),
        ],
        netloop: "attempt(127.0.0.1), connect [open 0/0], write(12000000)=false, \
            write(3)=false, state=open, error(ECONNRESET), sent(1 ECONNRESET), \
            sent(2 ECONNRESET), close(true) [closed 0/12000003]",
    },
    Difference {
        deviations: &["D5"],
        scenario: "a_late_write_to_a_peer_that_is_gone",
        lane: "s1",
        node: &[(
            Since::Always,
            "end [writeOnly 0/0], write(3)=true, write(3)=false, error(EPIPE), \
            close(true) [closed 0/6]",
        )],
        netloop: "end [writeOnly 0/0], write(3)=true, error(EPIPE), close(true) [closed 0/3], \
            write(3)=false",
    },
    Difference {
        deviations: &["on_timeout"],
        scenario: "the_idle_timeout_of_which_nobody_thinks",
        lane: "c",
        node: &[(
            Since::Always,
            "attempt(127.0.0.1), connect [open 0/0], timeout [open], state=open, \
            end [writeOnly 0/0], close(false) [closed 0/0]",
        )],
        netloop: "attempt(127.0.0.1), connect [open 0/0], timeout [open], \
            close(false) [closed 0/0], state=closed",
    },
    Difference {
        deviations: &["H6"],
        scenario: "the_order_of_the_last_closes",
        lane: "together",
        node: &[(
            Since::Always,
            "s: listening(127.0.0.1:server), s: connection(s1), s1: end [writeOnly 0/0], \
            s: close, s1: close(false) [closed 0/0]",
        )],
        netloop: "s: listening(127.0.0.1:server), s: connection(s1), s1: end [writeOnly 0/0], \
            s1: close(false) [closed 0/0], s: close",
    },
    Difference {
        deviations: &["H6"],
        scenario: "close_again_after_the_close",
        lane: "s",
        node: &[(
            Since::Always,
            "listening(127.0.0.1:server), close, listens=false, close",
        )],
        netloop: "listening(127.0.0.1:server), close, listens=false",
    },
    Difference {
        deviations: &["H2"],
        scenario: "the_port_is_taken",
        lane: "s",
        node: &[(Since::Always, "error(EADDRINUSE)")],
        netloop: "listen=EADDRINUSE",
    },
    Difference {
        deviations: &["H2"],
        scenario: "an_address_that_is_not_ours",
        lane: "s",
        node: &[(Since::Always, "error(EADDRNOTAVAIL)")],
        netloop: "listen=EADDRNOTAVAIL",
    },
    Difference {
        deviations: &["Node before 21: maxConnections 0"],
        scenario: "no_connection_at_all_is_wanted",
        lane: "s",
        node: &[
            (Since::Always, "listening(127.0.0.1:server), connection(s1)"),
            (Since::Node(21), "listening(127.0.0.1:server), drop"),
        ],
        netloop: "listening(127.0.0.1:server), drop",
    },
    Difference {
        deviations: &["Node before 21: maxConnections 0"],
        scenario: "no_connection_at_all_is_wanted",
        lane: "s1",
        node: &[
            (
                Since::Always,
                "end [writeOnly 0/0], close(false) [closed 0/0]",
            ),
            (Since::Node(21), ""),
        ],
        netloop: "",
    },
    Difference {
        deviations: &["attempts of paths"],
        scenario: "unix_client",
        lane: "c",
        node: &[(
            Since::Always,
            "attempt(DIR/client), state=opening, connect [open 0/0], \
            local=none remote=none, write(3)=true, data(4) [readOnly], end [closed 4/5], \
            close(false) [closed 4/5]",
        )],
        netloop: "state=opening, connect [open 0/0], local=none remote=none, write(3)=true, \
            data(4) [readOnly], end [closed 4/5], close(false) [closed 4/5]",
    },
    Difference {
        deviations: &["attempts of paths"],
        scenario: "unix_path_that_is_missing",
        lane: "c",
        node: &[(
            Since::Always,
            "attempt(DIR/missing), attemptFailed(DIR/missing ENOENT), error(ENOENT), \
            close(true) [closed 0/0]",
        )],
        netloop: "error(ENOENT), close(true) [closed 0/0]",
    },
    Difference {
        deviations: &["attempts of paths"],
        scenario: "unix_path_that_is_stale",
        lane: "c",
        node: &[(
            Since::Always,
            "attempt(DIR/stale), attemptFailed(DIR/stale ECONNREFUSED), \
            error(ECONNREFUSED), close(true) [closed 0/0]",
        )],
        netloop: "error(ECONNREFUSED), close(true) [closed 0/0]",
    },
    Difference {
        deviations: &["attempts of paths"],
        scenario: "unix_path_that_is_a_file",
        lane: "c",
        node: &[(
            Since::Always,
            "attempt(DIR/file), attemptFailed(DIR/file ECONNREFUSED), error(ECONNREFUSED), \
            close(true) [closed 0/0]",
        )],
        netloop: "error(ECONNREFUSED), close(true) [closed 0/0]",
    },
    Difference {
        deviations: &["H2"],
        scenario: "unix_path_that_is_taken",
        lane: "s",
        node: &[(Since::Always, "error(EADDRINUSE)")],
        netloop: "listen=EADDRINUSE",
    },
    Difference {
        deviations: &["long paths", "Node before 24: long paths"],
        scenario: "unix_path_that_is_too_long",
        lane: "c",
        node: &[
            (
                Since::Always,
                "attempt(DIR/LONG), attemptFailed(DIR/LONG ENOENT), error(ENOENT), \
            close(true) [closed 0/0]",
            ),
            (
                Since::Node(24),
                "attempt(DIR/LONG), error(EINVAL), \
            close(true) [closed 0/0]",
            ),
        ],
        netloop: "connect=ERR_INVALID_ARGUMENT",
    },
    Difference {
        deviations: &["attempts of paths"],
        scenario: "unix_socket_cannot_be_reset",
        lane: "c",
        node: &[(
            Since::Always,
            "attempt(DIR/reset), connect [open 0/0], reset=ERR_INVALID_HANDLE_TYPE, \
            destroyed=false, write(2)=true, end [closed 0/2], close(false) [closed 0/2]",
        )],
        netloop: "connect [open 0/0], reset=ERR_INVALID_HANDLE_TYPE, destroyed=false, \
            write(2)=true, end [closed 0/2], close(false) [closed 0/2]",
    },
    Difference {
        deviations: &["attempts of paths"],
        scenario: "unix_peer_closes_with_unread_data",
        lane: "c",
        node: &[(
            Since::Always,
            "attempt(DIR/unread), connect [open 0/0], write(5)=true, sent(1 ok), \
            error(ECONNRESET), close(true) [closed 0/5]",
        )],
        netloop: "connect [open 0/0], write(5)=true, sent(1 ok), error(ECONNRESET), \
            close(true) [closed 0/5]",
    },
    Difference {
        deviations: &["attempts of paths"],
        scenario: "pair_by_path",
        lane: "c",
        node: &[(
            Since::Always,
            "attempt(DIR/pair), connect [open 0/0], write(5)=true, data(5) [open], \
            end [writeOnly 5/5], close(false) [closed 5/5]",
        )],
        netloop: "connect [open 0/0], write(5)=true, data(5) [open], end [writeOnly 5/5], \
            close(false) [closed 5/5]",
    },
];
