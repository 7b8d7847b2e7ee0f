//! An HTTP/1.1 server on `httparse`: keep-alive, pipelines, bodies that stream in both directions, limits for strangers, and
//! the loop's statistics for Prometheus.
//!
//! ```text
//! $ cargo run --release -p netloop-http
//! listening 127.0.0.1:8080
//! terminating
//! 1 ended, 0 finished, 0 failed, 0 forced
//! ```
//!
//! ```text
//! $ curl http://127.0.0.1:8080/
//! Hello, world!
//! $ curl -T photo.jpg http://127.0.0.1:8080/upload
//! 183422 bytes
//! $ curl -s http://127.0.0.1:8080/metrics | grep accepted_total
//! # HELP netloop_accepted_total Connections that were accepted.
//! # TYPE netloop_accepted_total counter
//! netloop_accepted_total 3
//! ```
//!
//! | resource | methods | response |
//! |---|---|---|
//! | `/` | GET, HEAD | a greeting |
//! | `/bytes/N`, `/chunked/N` | GET, HEAD | N bytes, with their length before them or in chunks |
//! | `/upload` | POST, PUT | the number of bytes of the body |
//! | `/echo` | POST, PUT | the body, sent back while it arrives |
//! | `/metrics` | GET, HEAD | counters, times and gauges of the loop |
//!
//! Read [`requests`] first: the machine that turns bytes into requests, without a socket. Then [`connection`], the handler
//! that joins it with one. Not one request or response is ever held in memory whole, whatever its length.
//!
//! A peer that is slow, silent, greedy or false meets a limit: those of [`Limits::internet`], and the times and lengths of
//! [`connection::RequestLimits`] and [`requests::MOST_HEAD_BYTES`]. SIGTERM lets requests in work finish.
//!
//! HTTPS is one more line, in the function `listen`. It is compiled with a feature of this package:
//!
//! ```text
//! $ openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out certificate.pem \
//!     -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1
//! $ cargo run --release -p netloop-http --features tls -- --tls certificate.pem key.pem
//! listening 127.0.0.1:8080
//! $ curl --cacert certificate.pem https://localhost:8080/
//! Hello, world!
//! ```
//!
//! `cargo bench -p netloop-http` measures it beside nginx, Node's `http` and an epoll loop by hand.

mod app;
mod chunks;
mod connection;
mod download;
mod head;
mod metrics;
mod options;
mod requests;
mod response;
mod routes;
mod status;
#[cfg(feature = "tls")]
mod tls;

use netloop::{EventLoop, Limits, ListenOptions, ServerId};

use app::App;
use connection::Connection;
use options::Options;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::read()?;
    let mut event_loop = EventLoop::new()?;
    let server = listen(&mut event_loop, &options)?;
    if let Some(address) = event_loop.server(server).address() {
        println!("listening {address}");
    }
    #[cfg(unix)]
    for signal in [netloop::Signal::TERM, netloop::Signal::INT] {
        event_loop.on_signal(signal, move |cx| terminate(cx, options.shutdown_time))?;
    }
    event_loop.run(&mut App::default())?;
    Ok(())
}

fn listen(event_loop: &mut EventLoop<App>, options: &Options) -> netloop::Result<ServerId> {
    let limits = Limits::internet().max_connections_per_network(options.per_address);
    let listen = ListenOptions::new().limits(limits);
    #[cfg(feature = "tls")]
    let listen = match &options.tls {
        Some(config) => listen.tls(config.clone()),
        None => listen,
    };
    let requests = options.requests;
    event_loop.listen_with(options.address, listen, move |_, _| {
        Connection::new(requests)
    })
}

/// SIGTERM and SIGINT. The second one forces.
#[cfg(unix)]
fn terminate(cx: &mut netloop::LoopContext<'_, App>, time: std::time::Duration) {
    let is_second = cx.is_shutting_down();
    println!("{}", if is_second { "forcing" } else { "terminating" });
    let deadline = match is_second {
        true => std::time::Duration::ZERO,
        false => time,
    };
    cx.shutdown(deadline, move |cx, report| {
        if !is_second {
            println!("{report}");
        }
        cx.stop();
    });
}
