//! One connection: takes the requests off the bytes of the peer, and answers them one after the other.
//!
//! Backpressure works both ways by one flag. When a write answers `Full`, the socket is paused, and gets the bytes back that
//! were read and not served. `on_drain` goes on where the connection stopped.

use std::mem;
use std::time::Duration;

use netloop::{AtShutdown, Context, Flow, SocketHandler};

use crate::app::App;
use crate::download::{Download, LAST_CHUNK, write_chunk};
use crate::head::{Framing, Head, Method};
use crate::metrics;
use crate::requests::{Missing, Part, Requests};
use crate::response::{Extent, Kind, Persistence, ResponseHead};
use crate::routes::Route;
use crate::status::Status;

type Cx<'a> = Context<'a, App>;

/// The limits on one request, beside those of [`Limits::internet`](netloop::Limits::internet).
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLimits {
    /// For the head, from its first byte. A client that needs longer is told so, with 408.
    pub(crate) head_time: Duration,
    /// For the body, from the end of the head.
    pub(crate) body_time: Duration,
    pub(crate) body_bytes: u64,
}

#[derive(Debug)]
enum Work {
    /// The response is written. The rest of the request counts for nothing.
    Done,
    Upload {
        bytes: u64,
    },
    Echo {
        is_chunked: bool,
    },
    Download(Download),
}

/// The properties of the current request that its response depends on.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    is_old: bool,
    /// Whether the method is HEAD.
    omits_body: bool,
    /// Whether the response is the last one of the connection.
    closes: bool,
}

/// The handler of one connection.
#[derive(Debug)]
pub(crate) struct Connection {
    requests: Requests,
    exchange: Exchange,
    work: Work,
    /// Whether the peer has to read before anything is written. The socket is paused meanwhile.
    is_full: bool,
    /// The number of the bytes that were given back to the socket, and come again once the peer has read.
    waiting: usize,
    /// Whether the current response is the last one, because the server shuts down.
    is_last: bool,
    limits: RequestLimits,
    /// The part of a request that times are set for.
    timed: Missing,
}

impl Connection {
    pub(crate) fn new(limits: RequestLimits) -> Self {
        Self {
            requests: Requests::new(limits.body_bytes),
            exchange: Exchange::REFUSAL,
            work: Work::Done,
            is_full: false,
            waiting: 0,
            is_last: false,
            limits,
            timed: Missing::Nothing,
        }
    }

    fn is_idle(&self) -> bool {
        self.requests.missing() == Missing::Nothing && !self.is_full
    }

    /// Serves `data` until the peer has to read; the rest waits.
    fn serve(&mut self, cx: &mut Cx<'_>, mut data: &[u8]) {
        self.is_last = cx.is_shutting_down();
        while !self.is_full {
            match self.requests.next(&mut data) {
                Ok(Some(Part::Head(head))) => {
                    let route = Route::of(&head);
                    self.exchange = Exchange::of(&head, route);
                    self.exchange.closes |= self.is_last;
                    let awaits = head.expects_continue && head.has_body();
                    let framing = head.framing;
                    self.begin(cx, route, framing, awaits);
                    // The body of a last request counts for nothing, and may not come at all.
                    if self.exchange.closes && matches!(self.work, Work::Done) {
                        self.end(cx);
                    }
                }
                Ok(Some(Part::Body(bytes))) => self.receive(cx, bytes),
                Ok(Some(Part::End)) => self.finish(cx),
                Ok(None) => return,
                Err(status) => self.refuse(cx, status),
            }
        }
        if !self.requests.is_over() {
            self.waiting += data.len();
            cx.socket.unread(data);
            cx.socket.pause();
        }
    }

    /// Begins the response to a request, or writes it whole.
    fn begin(&mut self, cx: &mut Cx<'_>, route: Route, framing: Framing, awaits: bool) {
        if awaits && route.reads_body() {
            self.write(cx, b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.work = Work::Done;
        match route {
            Route::Greeting => self.respond(cx, Status::Ok, Kind::Text, b"Hello, world!\n"),
            Route::Metrics => {
                let text = metrics::text(&cx.statistics(), &cx.shared.responses);
                self.respond(cx, Status::Ok, Kind::Metrics, text.as_bytes());
            }
            Route::NotFound => self.respond_with_error(cx, Status::NotFound, None),
            Route::NotAllowed(methods) => {
                self.respond_with_error(cx, Status::MethodNotAllowed, Some(methods));
            }
            Route::Upload => self.work = Work::Upload { bytes: 0 },
            Route::Echo => {
                let extent = match framing {
                    Framing::Length(length) => Extent::Length(length),
                    Framing::Chunked => Extent::Chunked,
                };
                self.work = Work::Echo {
                    is_chunked: extent == Extent::Chunked,
                };
                self.write_head(cx, extent);
            }
            Route::Download { bytes, is_chunked } => {
                let extent = match (is_chunked, self.exchange.is_old) {
                    (false, _) => Extent::Length(bytes),
                    (true, false) => Extent::Chunked,
                    (true, true) => Extent::UntilEnd,
                };
                self.exchange.closes |= extent == Extent::UntilEnd;
                self.write_head(cx, extent);
                if !self.exchange.omits_body {
                    self.work = Work::Download(Download::new(bytes, extent == Extent::Chunked));
                    self.pour(cx);
                }
            }
        }
    }

    fn receive(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) {
        match &mut self.work {
            Work::Upload { bytes: sum } => *sum += bytes.len() as u64,
            Work::Echo { is_chunked: false } => self.write(cx, bytes),
            Work::Echo { is_chunked: true } => {
                let write = |socket: &mut netloop::Socket<'_>| socket.write(bytes);
                let flow = write_chunk(&mut cx.socket, write, bytes.len());
                self.is_full |= flow != Flow::Open;
            }
            Work::Done | Work::Download(_) => {}
        }
    }

    /// Ends a request whose last byte has come.
    fn finish(&mut self, cx: &mut Cx<'_>) {
        match mem::replace(&mut self.work, Work::Done) {
            Work::Upload { bytes } => {
                let text = format!("{bytes} bytes\n");
                self.respond(cx, Status::Ok, Kind::Text, text.as_bytes());
            }
            Work::Echo { is_chunked: true } => self.write(cx, LAST_CHUNK),
            // A download that is not over keeps the connection full, so that no end is looked at.
            Work::Echo { is_chunked: false } | Work::Done | Work::Download(_) => {}
        }
        if self.exchange.closes || self.is_last {
            self.end(cx);
        }
    }

    /// Writes as much of a download as the peer reads.
    fn pour(&mut self, cx: &mut Cx<'_>) {
        let Work::Download(download) = &mut self.work else {
            return;
        };
        self.is_full |= download.pour(&mut cx.socket) != Flow::Open;
        if download.is_over() {
            if download.is_chunked() {
                self.write(cx, LAST_CHUNK);
            }
            self.work = Work::Done;
        }
    }

    /// Answers a request that cannot be served, or not be understood, and ends the connection.
    fn refuse(&mut self, cx: &mut Cx<'_>, status: Status) {
        self.requests.stop();
        if let Work::Echo { .. } = self.work {
            // The response has begun. Its missing end tells the client that something is wrong.
            return cx.socket.destroy();
        }
        self.exchange = Exchange::REFUSAL;
        self.respond_with_error(cx, status, None);
        self.end(cx);
    }

    /// Ends this side after the last response. What the peer still sends is read and dropped: a close with unread bytes
    /// would be a reset, which may overtake the response.
    fn end(&mut self, cx: &mut Cx<'_>) {
        self.requests.stop();
        cx.socket.end();
        // The peer's end is to be read, too.
        cx.socket.resume();
    }

    fn respond_with_error(&mut self, cx: &mut Cx<'_>, status: Status, allow: Option<&'static str>) {
        let head = ResponseHead {
            allow,
            ..self.head(
                status,
                Kind::Text,
                Extent::Length(status.text().len() as u64),
            )
        };
        self.write_response(cx, &head, status.text().as_bytes());
    }

    fn respond(&mut self, cx: &mut Cx<'_>, status: Status, kind: Kind, body: &[u8]) {
        let head = self.head(status, kind, Extent::Length(body.len() as u64));
        self.write_response(cx, &head, body);
    }

    /// Writes the head of a response whose body follows.
    fn write_head(&mut self, cx: &mut Cx<'_>, extent: Extent) {
        let head = self.head(Status::Ok, Kind::Bytes, extent);
        self.write_response(cx, &head, &[]);
    }

    fn head(&self, status: Status, kind: Kind, extent: Extent) -> ResponseHead {
        ResponseHead {
            status,
            kind,
            extent,
            persistence: match (self.exchange.closes, self.exchange.is_old) {
                (true, _) => Persistence::Closes,
                (false, true) => Persistence::KeepsAlive,
                (false, false) => Persistence::Unsaid,
            },
            allow: None,
        }
    }

    fn write_response(&mut self, cx: &mut Cx<'_>, head: &ResponseHead, body: &[u8]) {
        let now = cx.now();
        cx.shared.count(head.status);
        let body = if self.exchange.omits_body { &[] } else { body };
        let bytes = cx.shared.last_response.bytes(head, body, now);
        self.is_full |= cx.socket.write(bytes) != Flow::Open;
    }

    fn write(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) {
        self.is_full |= cx.socket.write(bytes) != Flow::Open;
    }

    /// Limits the time for the rest of a request. A request that came whole has taken none, and costs nothing here.
    fn keep_time(&mut self, cx: &mut Cx<'_>) {
        let missing = self.requests.missing();
        if mem::replace(&mut self.timed, missing) == missing {
            return;
        }
        cx.socket.set_deadline(match missing {
            Missing::Nothing => None,
            Missing::Head(_) => Some(self.limits.head_time),
            Missing::Body(_) => Some(self.limits.body_time),
        });
        cx.socket.expect_bytes(missing != Missing::Nothing);
    }
}

impl SocketHandler<App> for Connection {
    fn on_data(&mut self, cx: &mut Cx<'_>, data: &[u8]) {
        // Bytes that were given back come alone, before all others.
        self.waiting = self.waiting.saturating_sub(data.len());
        self.serve(cx, data);
        self.keep_time(cx);
    }

    fn on_drain(&mut self, cx: &mut Cx<'_>) {
        self.is_full = false;
        self.pour(cx);
        if self.is_full {
            return;
        }
        // The request that was in work may be over without a further byte.
        self.serve(cx, &[]);
        self.keep_time(cx);
        if !self.is_full {
            cx.socket.resume();
        }
        if self.is_idle() && self.is_last && self.waiting == 0 {
            self.end(cx);
        }
    }

    /// Answers with 408, if the response has not begun. Otherwise the socket fails.
    fn on_deadline(&mut self, cx: &mut Cx<'_>) {
        if matches!(self.timed, Missing::Head(_)) || matches!(self.work, Work::Upload { .. }) {
            self.refuse(cx, Status::RequestTimeout);
            self.keep_time(cx);
        }
    }

    /// An idle connection ends at once, and a busy one after its response.
    fn on_shutdown(&mut self, _: &mut Cx<'_>) -> AtShutdown {
        match self.is_idle() {
            true => AtShutdown::End,
            false => AtShutdown::Keep,
        }
    }
}

impl Exchange {
    /// A request that was not understood.
    const REFUSAL: Self = Self {
        is_old: false,
        omits_body: false,
        closes: true,
    };

    fn of(head: &Head<'_>, route: Route) -> Self {
        // A client that was not told to continue may send the body or not, so the next request could be a body.
        let is_unclear = head.expects_continue && head.has_body() && !route.reads_body();
        Self {
            is_old: head.is_old,
            omits_body: head.method == Method::Head,
            closes: !head.keeps_alive || is_unclear,
        }
    }
}
