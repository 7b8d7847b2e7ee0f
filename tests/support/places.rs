//! Places that never answer, and places that refuse.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use super::host;

/// X1: a place that does not answer. Connecting to it neither succeeds nor fails.
///
/// It is at `host2` ([`host`]), so that a live server can be on the same port of `host1`.
pub(crate) struct BlackHole {
    address: SocketAddr,
    /// Its queue is full, so that the system drops every further SYN.
    listener: Socket,
    waiting: Vec<Socket>,
}

impl BlackHole {
    pub(crate) fn new() -> Self {
        Self::at("host2", 0).unwrap()
    }

    pub(crate) fn at(name: &str, port: u16) -> io::Result<Self> {
        let address = SocketAddr::new(host(name), port);
        let listener = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        listener.bind(&address.into())?;
        listener.listen(0)?;
        let address = listener.local_addr()?.as_socket().unwrap();
        let mut waiting = Vec::new();
        let mut unanswered = 0;
        // A handshake over loopback is over when connect(2) returns, unless the SYN was dropped.
        while unanswered < 2 {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            let _ = socket.connect(&address.into());
            unanswered += usize::from(socket.peer_addr().is_err());
            waiting.push(socket);
            assert!(waiting.len() < 64, "its queue does not fill");
        }
        Ok(Self {
            address,
            listener,
            waiting,
        })
    }

    /// Lets go of those that fill its queue: it answers the next SYN, which the system sends again after a second.
    pub(crate) fn open(mut self) -> TcpListener {
        self.waiting.clear();
        self.listener.set_nonblocking(true).unwrap();
        while self.listener.accept().is_ok() {}
        self.listener.into()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// X2: a port that refuses. It is bound and does not listen, so that no other program can be given it meanwhile.
pub(crate) struct DeadPort {
    address: SocketAddr,
    _holders: Vec<Socket>,
}

impl DeadPort {
    /// A dead port of `host1`.
    pub(crate) fn new() -> Self {
        Self::of(&["host1"])
    }

    /// A dead port of whatever the system takes `localhost` for.
    pub(crate) fn localhost() -> Self {
        let hosts = ["127.0.0.1", "::1"];
        Self::of(&hosts[..if has_ipv6() { 2 } else { 1 }])
    }

    /// A dead port that is nothing else at any address, from which a socket bound to all addresses may connect.
    pub(crate) fn everywhere() -> Self {
        let any: SocketAddr = (Ipv4Addr::UNSPECIFIED, 0).into();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&any.into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            _holders: vec![socket],
        }
    }

    /// A certain address, if it is free.
    pub(crate) fn at(name: &str, port: u16) -> io::Result<Self> {
        let address = SocketAddr::new(host(name), port);
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.bind(&address.into())?;
        Ok(Self {
            address,
            _holders: vec![socket],
        })
    }

    /// A port that is dead at all of `hosts`; [`address`](Self::address) is that of the first.
    pub(crate) fn of(hosts: &[&str]) -> Self {
        for _ in 0..64 {
            let mut port = 0;
            let holders: io::Result<Vec<Socket>> = hosts
                .iter()
                .map(|name| {
                    let address = SocketAddr::new(host(name), port);
                    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
                    socket.bind(&address.into())?;
                    port = socket.local_addr()?.as_socket().unwrap().port();
                    Ok(socket)
                })
                .collect();
            if let Ok(holders) = holders {
                return Self {
                    address: SocketAddr::new(host(hosts[0]), port),
                    _holders: holders,
                };
            }
        }
        panic!("no port is free at all of {hosts:?}");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

/// Whether this machine has `::1`. Node's tests leave out what needs it where it is missing, and so do these.
pub(crate) fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}
