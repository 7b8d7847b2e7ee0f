//! The readiness of a descriptor at the moment of the question. A report of the loop's own poll set may be out of date:
//! since then, another holder of the descriptor may have taken the bytes.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// Whether a read would return at once, with bytes, an end or an error.
// Makes a poll set for each question: std and socket2 have no safe `poll(2)`. A poll set kept for each file would cost
// a further descriptor each. One kept for all files would still have the entry of a closed file that has a duplicate.
pub(super) fn is_readable(file: &File) -> io::Result<bool> {
    ask(file, |events| !events.is_empty())
}

/// Whether the kernel reports now that all writers of a pipe have gone.
pub(super) fn has_hung_up(file: &File) -> bool {
    let closed = |events: &Events| events.iter().any(mio::event::Event::is_read_closed);
    ask(file, closed).unwrap_or(false)
}

fn ask(file: &File, answer: impl FnOnce(&Events) -> bool) -> io::Result<bool> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1);
    let descriptor = file.as_raw_fd();
    let mut source = SourceFd(&descriptor);
    poll.registry()
        .register(&mut source, Token(0), Interest::READABLE)?;
    poll.poll(&mut events, Some(Duration::ZERO))?;
    Ok(answer(&events))
}
