//! The second line of `{:#}`: advice, without a system call, because the process may have no descriptor left.

use std::borrow::Cow;
use std::io;

use super::{Error, Syscall};

/// Returns the advice for `error`, if there is advice that is right for every program.
pub(super) fn hint(error: &Error) -> Option<Cow<'static, str>> {
    let is_listening = matches!(error.syscall(), Some(Syscall::Listen | Syscall::Bind));
    let is_path = error.path().is_some();
    let is_source = error.syscall() == Some(Syscall::Register);
    let hint = match error.code() {
        "EEXIST" if is_source => {
            "a loop has this very descriptor already; register a duplicate, or close the first source"
        }
        "EPERM" if is_source => {
            "the kernel cannot poll a regular file or a directory, which is always ready: just read it"
        }
        "EBADF" if is_source => "the descriptor is closed",
        "EADDRINUSE" if is_path => {
            "a server has this file, or a dead one left it; remove it if no server answers there"
        }
        // The user has left the choice to the system (port 0), and no port is free.
        "EADDRINUSE" if error.port() == Some(0) => NO_LOCAL_PORT,
        "EADDRINUSE" => {
            let listens = error.syscall() != Some(Syscall::Bind);
            return Some(Cow::Owned(holder_of(error.port()?, listens)));
        }
        "EADDRNOTAVAIL" if is_listening => {
            "no interface of this machine has the address; `[::]` and `0.0.0.0` are all it has"
        }
        "EADDRNOTAVAIL" if error.local().is_none_or(|local| local.port() == 0) => {
            "no local port is left for this destination (`ip_local_port_range`), or this machine has no address to \
             reach it from"
        }
        "EACCES" if is_path => "the directory or the socket does not permit this user",
        "EACCES" if is_listening && matches!(error.port(), Some(1..1024)) => {
            "ports below 1024 need CAP_NET_BIND_SERVICE (`setcap`), or a socket from systemd"
        }
        "ENOENT" if is_path && is_listening => "the directory does not exist",
        "ENOENT" if is_path => "no server has made this socket yet",
        "EMFILE" => {
            "this process has no descriptor left; `ulimit -n` tells the limit, LimitNOFILE= raises it"
        }
        "ENFILE" => "the whole system has no descriptor left; `sysctl fs.file-nr` tells how many",
        "ECONNREFUSED" => {
            "no server listens there, or a firewall refuses; is it up, on that address?"
        }
        "ECONNRESET" => "the peer dropped the connection: it died, or closed it with bytes unread",
        "ETIMEDOUT" if error.syscall() == Some(Syscall::Lookup) => match error.io().get_ref() {
            Some(_) => {
                "names that hang keep their threads until their `lookup_timeout`; shorten it, or allow more threads"
            }
            None => {
                "no name server answered in time; is the network up? `lookup_timeout` sets the time"
            }
        },
        // Any other ETIMEDOUT with a text of its own gets no advice, because the text names the limit that has passed.
        "ETIMEDOUT" if error.io().get_ref().is_none() => {
            "no answer at all: a firewall that drops, a wrong address, or a host that is down"
        }
        "EHOSTUNREACH" | "ENETUNREACH" => {
            "no route leads there; is the network up, and the address right?"
        }
        "EPIPE" => "the peer had closed before; `on_end` and `on_close` tell when to stop writing",
        "ENOTFOUND" if is_undecided(error.io()) => {
            return Some(Cow::Owned(format!(
                "the resolver's answer was: {}; check the spelling, and the network",
                error.io()
            )));
        }
        "ENOTFOUND" => "there is no such name; check the spelling, and what the resolver is set to",
        "EAI_AGAIN" => "the name servers did not answer; is the network up?",
        Error::QUEUE_LIMIT => {
            "stop writing at `Flow::Full` until `on_drain`, or allow more with `max_queued_bytes`"
        }
        Error::TOTAL_QUEUE_LIMIT => {
            "stop writing at `Flow::Full` until `on_drain`, heed `on_pressure`, or allow more with `max_total_queued_bytes`"
        }
        _ => return None,
    };
    Some(Cow::Borrowed(hint))
}

const NO_LOCAL_PORT: &str = "every port of this address is taken; `sysctl net.ipv4.ip_local_port_range` has the range, \
     and a further address has as many ports again";

/// On Unix, an ENOTFOUND with a text may also mean "try again later": `system_resolver` cannot tell the two apart.
fn is_undecided(error: &io::Error) -> bool {
    error.get_ref().is_some()
}

/// Returns advice with a command that shows the process that already has `port`.
fn holder_of(port: u16, listens: bool) -> String {
    let command = if cfg!(windows) {
        format!("netstat -ano | findstr :{port}")
    } else if cfg!(any(target_os = "linux", target_os = "android")) {
        let kinds = if listens { "-ltnp" } else { "-tuanp" };
        format!("ss {kinds} 'sport = :{port}'")
    } else if listens {
        format!("lsof -nP -iTCP:{port} -sTCP:LISTEN")
    } else {
        format!("lsof -nP -i:{port}")
    };
    format!("`{command}` shows the process; port 0 takes a free one")
}
