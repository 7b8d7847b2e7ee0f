//! The state that all connections share.

use std::collections::BTreeMap;
use std::time::Instant;

use netloop::{Context, LoopContext, SocketId};

use crate::channels::Channels;
use crate::client::Profile;
use crate::database::{Database, NewList};
use crate::expiry::Time;
use crate::protocol::Replies;

/// The keys that one turn frees: a list of a million keys shall not hold the loop.
const FREED_IN_A_TURN: usize = 1000;

pub(crate) struct Server {
    pub(crate) began: Instant,
    /// The time of the turn, which counts for all of its commands.
    pub(crate) now: Time,
    /// The same as the loop tells it.
    turn: Instant,
    pub(crate) database: Database,
    pub(crate) channels: Channels,
    pub(crate) clients: BTreeMap<SocketId, Profile>,
    /// The number of connections so far, which numbers them.
    pub(crate) connections: usize,
    /// The number of commands so far.
    pub(crate) commands: u64,
    /// The replies of the running callback.
    pub(crate) replies: Replies,
}

impl Server {
    pub(crate) fn new(began: Instant) -> Self {
        Self {
            began,
            now: Time::new(began, began),
            turn: began,
            database: Database::default(),
            channels: Channels::default(),
            clients: BTreeMap::new(),
            connections: 0,
            commands: 0,
            replies: Replies::default(),
        }
    }

    /// Sets the time, which many callbacks of a turn share.
    #[inline]
    pub(crate) fn set_time(&mut self, now: Instant) {
        if now != self.turn {
            self.turn = now;
            self.now = Time::new(now, self.began);
        }
    }
}

/// Has the loop free the keys of a list when they have expired.
pub(crate) fn arm(cx: &mut Context<'_, Server>, list: Option<NewList>) {
    let Some(NewList(due)) = list else {
        return;
    };
    let wait = due.duration_since(cx.shared.now);
    let timer = cx.after(wait, move |cx| free_expired(cx, due));
    // A key that expires in a year does not keep the server from ending.
    cx.timer(timer).release();
}

fn free_expired(cx: &mut LoopContext<'_, Server>, list: Time) {
    if cx.shared.database.free_expired(list, FREED_IN_A_TURN) {
        cx.defer(move |cx| free_expired(cx, list));
    }
}
