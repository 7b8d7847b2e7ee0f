//! A SOCKS 5 proxy (RFC 1928): a client says to which host it wants to be connected, by address or by name.
//!
//! Without `--user` every client is welcome; with it, a client needs that name and password (RFC 1929). `--public-only`
//! forbids the private networks around the proxy, also behind names.
//!
//! ```text
//! $ cargo run --example socks5 -- --listen 127.0.0.1:1080 --user ada:secret
//! listening 127.0.0.1:1080
//! 127.0.0.1:41482: localhost:8000
//! 127.0.0.1:41494: localhost:8001
//! 127.0.0.1:41494: localhost:8001: connect ECONNREFUSED 127.0.0.1:8001
//! ```
//!
//! In another terminal:
//!
//! ```text
//! $ curl --proxy socks5h://ada:secret@127.0.0.1:1080 http://localhost:8000/
//! hello from behind the proxy
//! $ curl --proxy socks5h://ada:secret@127.0.0.1:1080 http://localhost:8001/
//! curl: (97) Can't complete SOCKS5 connection to localhost. (5)
//! ```

use std::rc::Rc;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use netloop::{BlockList, ConnectOptions, EventLoop, Limits, ListenOptions};

mod handshake;
mod protocol;
mod tunnel;

use handshake::Handshake;
use protocol::Credentials;

const USAGE: &str = "usage: socks5 [--listen PLACE] [--user NAME:PASSWORD] [--public-only] \
    [--connect-timeout SECONDS] [--handshake-timeout SECONDS]";

/// The settings, which all callbacks share.
struct Settings {
    credentials: Option<Credentials>,
    connecting: ConnectOptions,
    handshake_timeout: Duration,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut place = "127.0.0.1:1080".to_owned();
    let mut connect_timeout = Duration::from_secs(10);
    let mut settings = Settings {
        credentials: None,
        connecting: ConnectOptions::new(),
        handshake_timeout: Duration::from_secs(10),
    };
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("listen") => place = arguments.value()?.string()?,
            Arg::Long("user") => settings.credentials = Some(credentials(&mut arguments)?),
            Arg::Long("public-only") => {
                let private = Rc::new(BlockList::special_purpose());
                settings.connecting = settings.connecting.block_list(private);
            }
            Arg::Long("connect-timeout") => connect_timeout = seconds(&mut arguments)?,
            Arg::Long("handshake-timeout") => {
                settings.handshake_timeout = seconds(&mut arguments)?;
            }
            _ => return Err(USAGE.into()),
        }
    }
    settings.connecting = settings.connecting.connect_timeout(connect_timeout);

    let mut event_loop = EventLoop::new()?;
    // A tunnel may be silent for long.
    let limits = Limits::internet().idle_timeout(Duration::from_secs(3600));
    let options = ListenOptions::new().limits(limits);
    let server = event_loop.listen_with(place.as_str(), options, |_, _| Handshake::default())?;
    if let Some(address) = event_loop.server(server).address() {
        println!("listening {address}");
    }
    event_loop.run(&mut settings)?;
    Ok(())
}

fn credentials(arguments: &mut Parser) -> Result<Credentials, Box<dyn std::error::Error>> {
    let text = arguments.value()?.string()?;
    let (name, password) = text.split_once(':').ok_or(USAGE)?;
    Ok(Credentials {
        name: name.into(),
        password: password.into(),
    })
}

fn seconds(arguments: &mut Parser) -> Result<Duration, Box<dyn std::error::Error>> {
    let seconds = arguments.value()?.parse()?;
    Ok(Duration::try_from_secs_f64(seconds)?)
}
