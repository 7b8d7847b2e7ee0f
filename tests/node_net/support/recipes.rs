//! Recipes that make the hard cases sure ones: places that never answer or that refuse, resolvers that are told what to
//! say, programs with few descriptors, and a look at what the system has been told of a socket.

use std::io::{self, BufRead, BufReader, Lines};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child as Process, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use netloop::Resolver;
use socket2::{Domain, SockRef, Socket, Type};

/// X1: a place that does not answer. Connecting to it neither succeeds nor fails.
///
/// It is at 127.0.0.2, so that a live server can be on the same port of 127.0.0.1.
pub(crate) struct BlackHole {
    address: SocketAddr,
    /// Its queue is full, so that the system drops every further SYN.
    listener: Socket,
    waiting: Vec<Socket>,
}

impl BlackHole {
    pub(crate) fn new() -> Self {
        Self::at("127.0.0.2:0".parse().unwrap()).unwrap()
    }

    pub(crate) fn at(address: SocketAddr) -> io::Result<Self> {
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
    pub(crate) fn open(mut self) -> std::net::TcpListener {
        self.waiting.clear();
        self.listener.set_nonblocking(true).unwrap();
        while self.listener.accept().is_ok() {}
        self.listener.into()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// X2: a port that refuses. It is bound and does not listen, so that nobody else can be given it meanwhile.
pub(crate) struct DeadPort {
    address: SocketAddr,
    _holders: Vec<Socket>,
}

impl DeadPort {
    /// A dead port of 127.0.0.1.
    pub(crate) fn new() -> Self {
        Self::of(&["127.0.0.1"])
    }

    /// A certain address, if it is free.
    pub(crate) fn at(address: SocketAddr) -> io::Result<Self> {
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
                .map(|host| {
                    let address = SocketAddr::new(host.parse().unwrap(), port);
                    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
                    socket.bind(&address.into())?;
                    port = socket.local_addr()?.as_socket().unwrap().port();
                    Ok(socket)
                })
                .collect();
            if let Ok(holders) = holders {
                return Self {
                    address: SocketAddr::new(hosts[0].parse().unwrap(), port),
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
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

/// X7: a resolver that answers with `addresses` to every name.
pub(crate) fn answering(addresses: &[&str]) -> Arc<dyn Resolver> {
    let found: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    Arc::new(move |_: &str| Ok(found.clone()))
}

/// X7: a resolver that knows no name, as the system's says it.
pub(crate) fn failing(asked: &Looked) -> Arc<dyn Resolver> {
    let asked = asked.clone();
    Arc::new(move |_: &str| {
        asked.0.fetch_add(1, Ordering::SeqCst);
        Err(io::ErrorKind::NotFound.into())
    })
}

/// How many times a resolver was asked.
#[derive(Clone, Default)]
pub(crate) struct Looked(Arc<AtomicUsize>);

impl Looked {
    pub(crate) fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// X8: what the system has been told of a socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) no_delay: bool,
    pub(crate) keep_alive: bool,
    /// TCP_KEEPIDLE.
    pub(crate) keep_alive_after: Duration,
}

/// X8: asks the system, through a stream that was taken out of the loop (`Socket::detach`).
pub(crate) fn observe(stream: &TcpStream) -> Observed {
    let socket = SockRef::from(stream);
    Observed {
        no_delay: stream.nodelay().unwrap(),
        keep_alive: socket.keepalive().unwrap(),
        keep_alive_after: socket.tcp_keepalive_time().unwrap(),
    }
}

/// A program that a test has started; it is killed when the test is over, if it has not ended.
pub(crate) struct Child {
    process: Process,
    output: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts a test of the module `children` as a program of its own, which finds `argument` in its environment.
    /// `shell` is put before it in a shell, such as `ulimit -n 64;` (X6), and `redirections` behind it.
    pub(crate) fn start(test: &str, shell: &str, redirections: &str, argument: &str) -> Self {
        let mut process = Command::new("sh")
            .arg("-c")
            .arg(format!("{shell} exec \"$0\" \"$@\" {redirections}"))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", &format!("children::{test}")])
            .args(["--nocapture", "--ignored"])
            .env("NETLOOP_TEST_ARGUMENT", argument)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, output }
    }

    /// What the child says behind `key=`, in its next line that has it. The child must say it before it waits for us.
    pub(crate) fn says(&mut self, key: &str) -> String {
        let key = format!("{key}=");
        self.output
            .find_map(|line| Some(line.unwrap().split_once(&key)?.1.to_owned()))
            .unwrap_or_else(|| panic!("the child has ended without {key}"))
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A path for a Unix socket where nothing is yet. The folder that it is in goes with the returned guard.
pub(crate) fn scratch_path() -> ScratchPath {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::SeqCst);
    let folder = std::env::temp_dir().join(format!("netloop-{}-{count}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    ScratchPath {
        path: folder.join("socket"),
        folder,
    }
}

/// See [`scratch_path`].
pub(crate) struct ScratchPath {
    pub(crate) path: PathBuf,
    folder: PathBuf,
}

impl ScratchPath {
    /// The path as text.
    pub(crate) fn text(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

impl Drop for ScratchPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
