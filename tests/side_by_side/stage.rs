//! Where a scenario is played: it tells the subjects what to do, plays their peers, and keeps what was seen.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::loopback::Loopback;
use super::peer::{BlackHole, Ending, Listener, PATIENCE, Peer};
use super::subject::Subject;
use super::trace::{Lanes, Log};

/// The answer of a step of a scenario; its error says which event did not come.
pub(crate) type Step<T = ()> = Result<T, Box<dyn Error>>;

/// The time in which the subjects may still say something when a scenario is over.
const SETTLE_MS: u64 = 10;

/// The wait for an event that one of the two does not tell.
const IN_VAIN: Duration = Duration::from_millis(150);

/// The cast of a scenario at work: sockets whose name begins with `c` live in the client's subject, all others in the
/// server's.
pub(crate) struct Stage<'a> {
    subjects: &'a mut [Subject; 2],
    client: usize,
    server: usize,
    /// When the whole comparison has taken too long.
    limit: Instant,
    loopback: Loopback,
    log: Log,
    /// For the Unix sockets of this scenario.
    directory: PathBuf,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(
        subjects: &'a mut [Subject; 2],
        (client, server): (usize, usize),
        limit: Instant,
        loopback: Loopback,
        directory: &Path,
    ) -> Self {
        Self {
            subjects,
            client,
            server,
            limit,
            loopback,
            log: Log::new(directory, loopback),
            directory: directory.to_owned(),
        }
    }

    /// Makes the subject do `actions` at the event `key`, such as `c.data` or `c.data@2`.
    pub(crate) fn on(&mut self, key: &str, actions: &str) -> Step {
        let at = self.subject_of(key);
        Ok(self.subjects[at].send(&format!("on {key}: {actions}"))?)
    }

    /// Lets a subject do `actions` in a turn of their own, and waits until it has.
    pub(crate) fn tell(&mut self, actions: &str) -> Step {
        let about = actions.split_whitespace().nth(1);
        let at = self.subject_of(about.ok_or("an action is about something")?);
        self.command(at, &format!("do {actions}"))
    }

    /// Waits until `name` has seen `event`.
    pub(crate) fn wait(&mut self, name: &str, event: &str) -> Step {
        self.wait_times(name, event, 1)
    }

    /// Waits until `name` has seen `event` so many times.
    pub(crate) fn wait_times(&mut self, name: &str, event: &str, times: usize) -> Step {
        self.wait_until(name, &format!("{name} {event} x{times}"), |stage| {
            let seen = stage.log.seen(name);
            seen.filter(|text| text.starts_with(event)).count() >= times
        })
    }

    /// Waits until `name` was given so many bytes.
    pub(crate) fn wait_bytes(&mut self, name: &str, bytes: usize) -> Step {
        self.wait_until(name, &format!("{bytes} bytes at {name}"), |stage| {
            stage.log.bytes(name) >= bytes
        })
    }

    /// Waits until `name` has seen `event`, or until it has had the time to: for what one of the two does not tell.
    pub(crate) fn wait_in_vain(&mut self, name: &str, event: &str) -> Step {
        let at = self.subject_of(name);
        let deadline = Instant::now() + IN_VAIN;
        while !self.log.seen(name).any(|text| text.starts_with(event)) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.subjects[at].next_line(left) {
                Some(line) => self.note_line(at, &line)?,
                None => return Ok(()),
            };
        }
        Ok(())
    }

    /// A gate that keeps a loop from turning (`stall c GATE`) until it is opened.
    pub(crate) fn gate(&self) -> String {
        self.path("gate").display().to_string()
    }

    /// Lets the loop turn that stalls.
    pub(crate) fn open_gate(&self) -> Step {
        Ok(std::fs::write(self.gate(), "")?)
    }

    /// Lets time pass in which nothing, or something wrong, may happen.
    pub(crate) fn let_pass(&self, ms: u64) {
        #[expect(clippy::disallowed_methods, reason = "nothing is waited for")]
        std::thread::sleep(Duration::from_millis(ms));
    }

    /// Shows these, which live in one subject, in one lane.
    pub(crate) fn show_together(&mut self, names: &[&str]) {
        self.log.show_together(names);
    }

    /// Leaves amounts out of the lane of `name`, where they depend on when the kernel gets to it.
    pub(crate) fn leave_amounts_out(&mut self, name: &str) {
        self.log.leave_amounts_out(name);
    }

    /// Writes something down that the scenario itself has seen.
    pub(crate) fn note(&mut self, name: &str, text: &str) {
        self.log.add(name, text);
    }

    /// Writes down whether a connection has reached `listener`.
    pub(crate) fn note_connection(&mut self, listener: &Listener) -> Step {
        let text = match listener.has_connection()? {
            true => "connection",
            false => "no connection",
        };
        self.note("peer", text);
        Ok(())
    }

    /// The address that scenarios call 127.0.0.1.
    pub(crate) fn local(&self) -> IpAddr {
        self.loopback.local
    }

    /// The address that scenarios call 127.0.0.2.
    pub(crate) fn other(&self) -> IpAddr {
        self.loopback.other
    }

    /// A path of this scenario's own, for a Unix socket.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Lets the subject listen as `s` on a port, and says where.
    pub(crate) fn listen(&mut self, options: &str) -> Step<SocketAddr> {
        self.tell(&format!("listen s {options}"))?;
        self.wait("s", "listening(")?;
        let address = self.log.seen("s").find_map(|text| {
            let text = text.strip_prefix("listening(")?.strip_suffix(')')?;
            text.parse::<SocketAddr>().ok()
        });
        let address = address.ok_or("it listens nowhere")?;
        self.log.name_port(address.port(), "server");
        Ok(address)
    }

    /// Lets the subject listen as `s`, and connects to it: the socket there is `s1`.
    pub(crate) fn server_with_peer(&mut self, options: &str) -> Step<(SocketAddr, Peer)> {
        let address = self.listen(options)?;
        let peer = Peer::connect(address)?;
        self.wait("s", "connection(s1)")?;
        Ok((address, peer))
    }

    /// Listens for the subject's clients.
    pub(crate) fn raw_listener(&mut self) -> Step<(Listener, u16)> {
        let listener = Listener::on(self.loopback.local, 0, 16)?;
        let port = listener.port()?;
        self.log.name_port(port, "server");
        Ok((listener, port))
    }

    /// Lets the subject connect as `c`, and answers with the other end.
    pub(crate) fn client_with_peer(&mut self, options: &str) -> Step<Peer> {
        let (listener, port) = self.raw_listener()?;
        self.tell(&format!("connect c port={port} {options}"))?;
        Ok(listener.accept()?)
    }

    /// Lets the one subject connect as `c` to the other, which listens as `s`; then both are open.
    pub(crate) fn pair(&mut self, client_options: &str, server_options: &str) -> Step {
        let address = self.listen(server_options)?;
        self.tell(&format!(
            "connect c port={} {client_options}",
            address.port()
        ))?;
        self.wait("c", "connect ")?;
        self.wait("s", "connection(s1)")
    }

    /// A port without a listener.
    pub(crate) fn dead_port(&mut self) -> Step<u16> {
        let (_, port) = self.raw_listener()?;
        Ok(port)
    }

    /// A port at which connects hang.
    pub(crate) fn black_hole(&mut self, address: IpAddr, port: u16) -> Step<BlackHole> {
        let hole = BlackHole::on(address, port)?;
        self.log.name_port(hole.port()?, "server");
        Ok(hole)
    }

    /// Reads at the peer until its stream ends, and writes down what it was.
    pub(crate) fn peer_reads_to_end(&mut self, peer: &mut Peer) -> Step {
        let received = peer.read_to_end()?;
        let ending = match received.ending {
            Ending::End => "end",
            Ending::Reset => "reset",
        };
        if !received.runs.is_empty() {
            self.note("peer", &format!("received({})", received.runs));
        }
        self.note("peer", ending);
        Ok(())
    }

    /// Reads so many bytes at the peer, and writes down what they were.
    pub(crate) fn peer_reads(&mut self, peer: &mut Peer, length: usize) -> Step {
        let runs = peer.read_exactly(length)?;
        self.note("peer", &format!("received({runs})"));
        Ok(())
    }

    /// Ends the scenario: gives what has no right to come a moment to come, then clears the subjects, and answers with
    /// the traces.
    pub(crate) fn finish(&mut self) -> Step<Lanes> {
        let mut both = vec![self.client, self.server];
        both.dedup();
        for &at in &both {
            self.command(at, &format!("settle {SETTLE_MS}"))?;
        }
        let lanes = self.log.lanes();
        for at in both {
            self.command(at, "clear")?;
        }
        Ok(lanes)
    }

    fn subject_of(&self, name: &str) -> usize {
        if name.starts_with('c') {
            self.client
        } else {
            self.server
        }
    }

    fn command(&mut self, at: usize, command: &str) -> Step {
        let placed = self.loopback.place(command);
        self.subjects[at].send(&placed)?;
        let deadline = Instant::now() + PATIENCE;
        while !self.take_line(at, deadline, command)? {}
        Ok(())
    }

    fn wait_until(&mut self, name: &str, what: &str, done: impl Fn(&Self) -> bool) -> Step {
        let at = self.subject_of(name);
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            self.take_line(at, deadline, what)?;
        }
        Ok(())
    }

    /// Takes one line of a subject, and says whether it confirms a command.
    fn take_line(&mut self, at: usize, deadline: Instant, what: &str) -> Step<bool> {
        let subject = &self.subjects[at];
        let left = deadline
            .min(self.limit)
            .saturating_duration_since(Instant::now());
        let Some(line) = subject.next_line(left) else {
            let seen: Vec<String> = self.log.lanes().into_values().collect();
            let late = format!(
                "{} did not get there: {what}; seen: {}",
                subject.name(),
                seen.join(" | ")
            );
            return Err(late.into());
        };
        self.note_line(at, &line)
    }

    /// Keeps a line, and says whether it confirms a command.
    fn note_line(&mut self, at: usize, line: &str) -> Step<bool> {
        if line == "= done" {
            return Ok(true);
        }
        let (name, text) = line.split_once(' ').ok_or("a line has two parts")?;
        if name == "!" {
            return Err(format!("{} failed: {text}", self.subjects[at].name()).into());
        }
        self.log.add(name, text);
        Ok(false)
    }
}
