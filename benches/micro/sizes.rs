//! How large the types are that lie in every table, or are given to every call.

use netloop::internals::send_buffer::SendBuffer;
use netloop::reactor::{Interest, Key, Phase, Readiness, TimerHandle};
use netloop::{
    Budget, CloseReason, Context, Error, Flow, ServerId, Socket, SocketHandler, SocketId,
    SocketOptions, State, TimerId, Turn, Wait,
};

/// Prints them; the entries of tables are a measure of what an idle connection takes.
pub(crate) fn print() {
    println!("sizes, in bytes:");
    for (name, size) in [
        ("Key", size_of::<Key>()),
        ("Option<Key>", size_of::<Option<Key>>()),
        ("SocketId", size_of::<SocketId>()),
        ("ServerId", size_of::<ServerId>()),
        ("TimerId", size_of::<TimerId>()),
        ("TimerHandle", size_of::<TimerHandle>()),
        ("Readiness", size_of::<Readiness>()),
        ("Interest", size_of::<Interest>()),
        ("Phase", size_of::<Phase>()),
        ("SendBuffer", size_of::<SendBuffer>()),
        ("SocketOptions", size_of::<SocketOptions>()),
        (
            "Box<dyn SocketHandler>",
            size_of::<Box<dyn SocketHandler<()>>>(),
        ),
        ("Socket<'_>", size_of::<Socket<'_>>()),
        ("Context<'_, ()>", size_of::<Context<'_, ()>>()),
        ("State", size_of::<State>()),
        ("Flow", size_of::<Flow>()),
        ("CloseReason", size_of::<CloseReason>()),
        ("Error", size_of::<Error>()),
        ("Wait", size_of::<Wait>()),
        ("Budget", size_of::<Budget>()),
        ("Turn", size_of::<Turn>()),
    ] {
        println!("{name:>24} {size:>4}");
    }
    println!();
}
