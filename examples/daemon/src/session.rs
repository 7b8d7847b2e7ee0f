//! One peer: lines in, lines out. A `slow` request is in work for a while, as one to a database would be.

use std::time::Duration;

use netloop::text::Lines;
use netloop::{AtShutdown, Context, SocketHandler};

use crate::daemon::Daemon;

/// The longest line of a peer.
const MOST_BYTES: usize = 1024;

pub(crate) struct Session {
    lines: Lines,
    /// The slow requests in work. The place of a request is the token of its timer; `None` is answered.
    in_work: Vec<Option<String>>,
    /// Whether the session ends after its last response.
    ends: bool,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self {
            lines: Lines::new(MOST_BYTES),
            in_work: Vec::new(),
            ends: false,
        }
    }

    fn is_busy(&self) -> bool {
        self.in_work.iter().any(Option::is_some)
    }

    fn respond(cx: &mut Context<'_, Daemon>, line: &str) {
        let response = cx.shared.response(line);
        cx.socket.write(response.as_bytes()).ignore();
    }
}

impl SocketHandler<Daemon> for Session {
    fn on_data(&mut self, cx: &mut Context<'_, Daemon>, data: &[u8]) {
        for line in self.lines.push(data) {
            let Ok(line) = line else {
                return cx.socket.destroy();
            };
            let line = String::from_utf8_lossy(line);
            let time = line
                .strip_prefix("slow ")
                .and_then(|time| time.parse().ok());
            match time {
                Some(time) => {
                    let token = self.in_work.len() as u64;
                    self.in_work.push(Some(line.into_owned()));
                    cx.socket.after(Duration::from_millis(time), token);
                }
                None => Self::respond(cx, &line),
            }
        }
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Daemon>, token: u64) {
        let place = usize::try_from(token).ok();
        let request = place.and_then(|place| self.in_work.get_mut(place)?.take());
        if let Some(line) = request {
            Self::respond(cx, &line);
        }
        if !self.is_busy() {
            self.in_work.clear();
            if self.ends {
                cx.socket.end();
            }
        }
    }

    /// Without a request in work the session ends at once, and otherwise after its last response.
    fn on_shutdown(&mut self, _: &mut Context<'_, Daemon>) -> AtShutdown {
        self.ends = true;
        match self.is_busy() {
            true => AtShutdown::Keep,
            false => AtShutdown::End,
        }
    }
}
