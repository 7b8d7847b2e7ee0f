//! The listening sockets: those that systemd or a predecessor has left, or new ones.

use std::env;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use netloop::{EventLoop, ServerId, StdListener};

use crate::daemon::Daemon;
use crate::options::Options;
use crate::session::Session;

/// A socket with the name that `LISTEN_FDNAMES` gives it.
struct Named {
    name: String,
    listener: StdListener,
}

/// Listens on the sockets of `LISTEN_FDS` if there are any, and otherwise on the places of `options`.
pub(crate) fn listen(
    event_loop: &mut EventLoop<Daemon>,
    options: &Options,
) -> Result<Vec<ServerId>, Box<dyn std::error::Error>> {
    let mut servers = Vec::new();
    let inherited = inherited()?;
    if inherited.is_empty() {
        for address in &options.addresses {
            servers.push(event_loop.listen(*address, |_, _| Session::new())?);
        }
        for path in &options.paths {
            servers.push(event_loop.listen(path.as_path(), |_, _| Session::new())?);
        }
    }
    for Named { name, listener } in inherited {
        let id = event_loop.listen(listener, |_, _| Session::new())?;
        if !name.is_empty() {
            println!("inherited {name}");
        }
        servers.push(id);
    }
    for id in &servers {
        let server = event_loop.server(*id);
        match (server.address(), server.path()) {
            (Some(address), _) => println!("listening {address}"),
            (None, Some(path)) => println!("listening {}", path.display()),
            (None, None) => {}
        }
    }
    if servers.is_empty() {
        return Err("there is nothing to listen on: --listen, --unix, or LISTEN_FDS".into());
    }
    Ok(servers)
}

/// Takes the sockets of `LISTEN_FDS`, which are TCP or Unix sockets. The descriptors become close-on-exec, and the
/// variables are removed, so that no child takes them for its own.
fn inherited() -> std::io::Result<Vec<Named>> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut sockets = ListenFd::from_env();
    let mut inherited = Vec::new();
    for place in 0..sockets.len() {
        let tcp: std::io::Result<Option<TcpListener>> = sockets.take_tcp_listener(place);
        let listener = match tcp {
            Ok(Some(listener)) => StdListener::Tcp(listener),
            Ok(None) => continue,
            Err(_) => {
                let unix: Option<UnixListener> = sockets.take_unix_listener(place)?;
                match unix {
                    Some(listener) => StdListener::Unix(listener),
                    None => continue,
                }
            }
        };
        let name = names.next().unwrap_or_default().to_owned();
        inherited.push(Named { name, listener });
    }
    Ok(inherited)
}
