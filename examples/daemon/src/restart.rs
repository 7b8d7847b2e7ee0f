//! The hot restart: the successor gets the listening sockets themselves, with the peers that wait in their backlogs.
//!
//! This process goes on accepting until the successor is ready. Then the successor sends SIGTERM, and this process shuts
//! down as for every SIGTERM. Both accept from the same backlog meanwhile, so there is no moment without a listener. A
//! successor that fails to start changes nothing.

use std::env;
use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::process::{Child, Command};

use command_fds::{CommandFdExt, FdMapping};
use netloop::{ServerId, Sockets};
use rustix::process::{Pid, Signal, kill_process};

/// The variable that tells a successor the process to end.
const PREDECESSOR: &str = "NETLOOP_PREDECESSOR";

/// The first descriptor of `LISTEN_FDS`.
const FIRST: i32 = 3;

/// Starts `program` again with duplicates of the sockets of `servers`.
pub(crate) fn start_successor(
    program: &PathBuf,
    servers: &[ServerId],
    sockets: &mut Sockets<'_>,
) -> Result<Child, Box<dyn std::error::Error>> {
    let mut mappings = Vec::new();
    for (child_fd, id) in (FIRST..).zip(servers) {
        mappings.push(FdMapping {
            parent_fd: sockets.server(*id).try_clone_descriptor()?,
            child_fd,
        });
    }
    let child = Command::new(program)
        .args(env::args_os().skip(1))
        // The number of the child is not known here, and the variable is optional for listenfd.
        .env_remove("LISTEN_PID")
        .env("LISTEN_FDS", servers.len().to_string())
        .env(PREDECESSOR, std::process::id().to_string())
        .fd_mappings(mappings)?
        .spawn()?;
    Ok(child)
}

/// Ends the predecessor, if this process is a successor and the predecessor is still there.
pub(crate) fn end_predecessor() {
    let predecessor = env::var(PREDECESSOR)
        .ok()
        .and_then(|number| number.parse().ok());
    // The number of a process that has ended may belong to another process by now, but not to the parent.
    if predecessor != Some(parent_id()) {
        return;
    }
    let parent = i32::try_from(parent_id()).ok().and_then(Pid::from_raw);
    if let Some(parent) = parent {
        if let Err(error) = kill_process(parent, Signal::TERM) {
            eprintln!("the predecessor cannot be ended: {error}");
        }
    }
}
