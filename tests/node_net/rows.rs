//! The rows of the table, by topic.

mod addresses;
mod attempts;
mod connecting;
mod ending;
mod holding;
mod listening;
mod options;
mod pingpong;
mod reading;
mod servers;
mod timeouts;
#[cfg(unix)]
mod unix;
mod writing;

use std::sync::Arc;

use netloop::{ListenOptions, Resolver, ServerId};

use crate::support::{Reception, Recorder, Scene};

/// A server whose connections only log their events.
fn plain() -> Reception {
    Reception::new("server", |_| Recorder::new("accepted"))
}

/// Listens on a name that `resolver` looks up.
fn serve_name(scene: &mut Scene, resolver: Arc<dyn Resolver>) -> ServerId {
    let options = ListenOptions::new().resolver(resolver);
    scene.serve(("a.name", 0), options, plain())
}
