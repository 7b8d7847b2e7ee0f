//! The places to connect to: names with good addresses and bad ones, addresses without a name, the connecting host.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use netloop::simulation::{Route, Simulation};

use netloop::{BlockList, ConnectOptions, Endpoint, Family, SocketOptions};

/// Where the servers listen, on every address that they have.
pub(crate) const SERVICE: u16 = 1_000;

/// A name of several addresses, the first of which leads a client to itself if it connects from [`SERVICE`].
pub(crate) const MIRROR: &str = "mirror";

/// The longest that a connect may take by default.
const PATIENCE: Duration = Duration::from_secs(20);

/// The names of a run, and what becomes of connects to each address.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) names: Vec<(String, Vec<IpAddr>)>,
    /// Whether lookups may fail that should not.
    pub(crate) is_unreliable: Cell<bool>,
    /// The addresses with a listener, with the time that it takes to get there.
    open: BTreeMap<IpAddr, Duration>,
    /// Those that never answer.
    silent: Vec<IpAddr>,
}

impl Book {
    /// Writes a book, and makes the network as it says. `servers` are the addresses that are reached as they should be.
    pub(crate) fn new(
        simulation: &mut Simulation,
        random: &mut fastrand::Rng,
        servers: &[IpAddr],
        slow: &[IpAddr],
    ) -> Self {
        let mut book = Self::default();
        for &server in servers {
            book.open.insert(server, Duration::ZERO);
        }
        for &server in slow {
            let delay = Duration::from_millis(random.u64(1..2_000));
            simulation.set_route(server, Route::Delayed(delay));
            book.open.insert(server, delay);
        }
        let mut places: Vec<IpAddr> = book.open.keys().copied().collect();
        for silent in ["10.8.0.1", "fd08::1"] {
            book.silent.push(silent.parse().unwrap());
            simulation.set_route(silent.parse().unwrap(), Route::Blackhole);
        }
        for unreachable in ["10.6.0.1", "fd06::1"] {
            let address = unreachable.parse().unwrap();
            simulation.set_route(address, Route::Unreachable);
            places.push(address);
        }
        places.extend(&book.silent);
        // There is no listener, which is said at once.
        places.extend(["10.9.0.1", "10.9.0.2", "fd09::1"].map(|it| it.parse::<IpAddr>().unwrap()));
        for number in 0..8 {
            let count = random.choice([0, 1, 2, 3, 4, 7]).unwrap();
            let addresses: Vec<IpAddr> = (0..count)
                .map(|_| random.choice(places.iter().copied()).unwrap())
                .collect();
            book.add(simulation, &format!("host-{number}"), addresses);
        }
        let loopback = Ipv4Addr::LOCALHOST.into();
        book.add(simulation, MIRROR, vec![loopback, servers[0]]);
        book
    }

    fn add(&mut self, simulation: &mut Simulation, name: &str, addresses: Vec<IpAddr>) {
        simulation.set_name(name, &addresses);
        self.names.push((name.to_owned(), addresses));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The addresses that a lookup of `name` finds.
    pub(crate) fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        let found = self.names.iter().find(|(known, _)| known == name);
        found.map(|(_, addresses)| addresses.as_slice())
    }

    /// Whether `request` must succeed in a network without faults.
    pub(crate) fn leads_somewhere(&self, request: &Request) -> bool {
        let mut candidates = request.candidates(self).into_iter();
        candidates.any(|address| {
            self.open.contains_key(&address.ip()) && Some(address.ip()) != request.blocked
        })
    }
}

/// A place to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Address(SocketAddr),
    Name(String),
    /// The very port that it connects from.
    Itself,
}

/// A place to connect to, with the options.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) target: Target,
    /// Where to connect from; `None`: from a port that tells the server which connection it is.
    pub(crate) local_port: Option<u16>,
    pub(crate) timeout: Duration,
    pub(crate) lookup_timeout: Duration,
    pub(crate) delay: Duration,
    pub(crate) tries_all: bool,
    pub(crate) family: Option<Family>,
    pub(crate) blocked: Option<IpAddr>,
}

impl Request {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::of(Target::Address(address))
    }

    fn of(target: Target) -> Self {
        Self {
            target,
            local_port: None,
            timeout: PATIENCE,
            lookup_timeout: Duration::from_secs(30),
            delay: Duration::from_millis(250),
            tries_all: true,
            family: None,
            blocked: None,
        }
    }

    /// Any of all that there are.
    pub(crate) fn random(book: &Book, random: &mut fastrand::Rng) -> Self {
        let mut request = Self::of(match random.u32(..12) {
            0 => Target::Itself,
            1 => Target::Name("unknown".to_owned()),
            2 => {
                // A port without a listener, and from any port: even from the same one it is refused.
                let nobody = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 999);
                let mut request = Self::to(nobody);
                request.local_port = Some(0);
                return request;
            }
            3 => {
                let open = book.open.keys().copied();
                Target::Address(SocketAddr::new(random.choice(open).unwrap(), SERVICE))
            }
            _ => {
                let names = &book.names[..book.names.len() - 1];
                Target::Name(random.choice(names).unwrap().0.clone())
            }
        });
        let timeout = random.choice([30, 400, 3_000, 20_000, 20_000]).unwrap();
        request.timeout = Duration::from_millis(timeout);
        let timeout = random.choice([20, 6_000, 30_000]).unwrap();
        request.lookup_timeout = Duration::from_millis(timeout);
        request.delay = Duration::from_millis(random.choice([10, 60, 250, 1_000]).unwrap());
        request.tries_all = random.u32(..8) > 0;
        request.family = match random.u32(..8) {
            0 => Some(Family::IPv4),
            1 => Some(Family::IPv6),
            _ => None,
        };
        if random.u32(..6) == 0 {
            request.blocked = random.choice(book.open.keys().copied());
        }
        request
    }

    /// One whose outcome is known beforehand, as it has the time that it needs.
    pub(crate) fn probe(book: &Book, random: &mut fastrand::Rng) -> Self {
        let mut request = Self::random(book, random);
        request.timeout = PATIENCE;
        request.lookup_timeout = PATIENCE;
        request
    }

    /// To the server by way of oneself: the port to connect from is the server's own.
    pub(crate) fn through_the_mirror() -> Self {
        let mut request = Self::of(Target::Name(MIRROR.to_owned()));
        request.local_port = Some(SERVICE);
        request
    }

    /// Every address that has to be tried, in this order, as RFC 8305 and the options have it. It is found in another
    /// way than the library does, and slowly.
    pub(crate) fn candidates(&self, book: &Book) -> Vec<SocketAddr> {
        let name = match &self.target {
            Target::Address(address) => return vec![*address],
            Target::Itself => return Vec::new(),
            Target::Name(name) => name,
        };
        let mut left: Vec<IpAddr> = Vec::new();
        for &address in book.addresses(name).unwrap_or_default() {
            if self.is_wanted(&address) && !left.contains(&address) {
                left.push(address);
            }
        }
        if !self.tries_all {
            left.truncate(1);
        }
        let mut order = Vec::new();
        let mut is_next_v4 = left.first().is_some_and(IpAddr::is_ipv4);
        while !left.is_empty() {
            let next = left.iter().position(|it| it.is_ipv4() == is_next_v4);
            order.push(left.remove(next.unwrap_or(0)));
            is_next_v4 = !is_next_v4;
        }
        order
            .into_iter()
            .map(|address| SocketAddr::new(address, SERVICE))
            .collect()
    }

    /// The addresses that the handler has to be told of.
    pub(crate) fn found(&self, book: &Book) -> Vec<IpAddr> {
        let Target::Name(name) = &self.target else {
            return Vec::new();
        };
        let found = book.addresses(name).unwrap_or_default();
        match self.candidates(book).first() {
            Some(first) if !self.tries_all => vec![first.ip()],
            _ => found
                .iter()
                .copied()
                .filter(|it| self.is_wanted(it))
                .collect(),
        }
    }

    fn is_wanted(&self, address: &IpAddr) -> bool {
        match self.family {
            Some(Family::IPv4) => address.is_ipv4(),
            Some(Family::IPv6) => address.is_ipv6(),
            _ => true,
        }
    }

    /// The same in the library's words, for the connection whose own port is `port`.
    pub(crate) fn to_options(
        &self,
        port: u16,
        socket: SocketOptions,
    ) -> (Endpoint, ConnectOptions) {
        let port = self.local_port.unwrap_or(port);
        let endpoint = match &self.target {
            Target::Address(address) => Endpoint::Socket(*address),
            Target::Name(name) => Endpoint::Name {
                host: name.clone(),
                port: SERVICE,
            },
            Target::Itself => Endpoint::Socket(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
        };
        let mut options = ConnectOptions::new()
            .local_port(port)
            .connect_timeout(self.timeout)
            .lookup_timeout(self.lookup_timeout)
            .attempt_delay(self.delay)
            .auto_select_family(self.tries_all)
            .family(self.family)
            .socket(socket);
        if let Some(blocked) = self.blocked {
            let mut list = BlockList::new();
            list.add_address(blocked);
            options = options.block_list(Rc::new(list));
        }
        (endpoint, options)
    }
}
