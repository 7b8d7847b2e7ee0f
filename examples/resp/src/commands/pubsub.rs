//! The commands of channels.

use std::rc::Rc;

use super::{Call, Outcome};
use crate::channels::Kind;
use crate::database::Bytes;
use crate::server::Server;

pub(super) fn subscribe(call: &mut Call<'_, '_>) -> Outcome {
    join(call, Kind::Channel, "subscribe")
}

pub(super) fn psubscribe(call: &mut Call<'_, '_>) -> Outcome {
    join(call, Kind::Pattern, "psubscribe")
}

pub(super) fn unsubscribe(call: &mut Call<'_, '_>) -> Outcome {
    leave(call, Kind::Channel, "unsubscribe")
}

pub(super) fn punsubscribe(call: &mut Call<'_, '_>) -> Outcome {
    leave(call, Kind::Pattern, "punsubscribe")
}

fn join(call: &mut Call<'_, '_>, kind: Kind, word: &str) -> Outcome {
    for name in call.arguments.from(1) {
        let name: Bytes = name.into();
        if call.client.names(kind).insert(Rc::clone(&name)) {
            let (id, version) = (call.client.id, call.client.version);
            let channels = &mut call.cx.shared.channels;
            channels.subscribe(kind, Rc::clone(&name), id, version);
        }
        confirm(call, word, Some(&name));
    }
    note_numbers(call);
    Ok(())
}

/// Leaves the channels that are named, or all.
fn leave(call: &mut Call<'_, '_>, kind: Kind, word: &str) -> Outcome {
    let names: Vec<Bytes> = match call.arguments.len() {
        1 => call.client.names(kind).iter().cloned().collect(),
        _ => call.arguments.from(1).map(Bytes::from).collect(),
    };
    for name in &names {
        if call.client.names(kind).remove(name) {
            let channels = &mut call.cx.shared.channels;
            channels.unsubscribe(kind, name, call.client.id);
        }
        confirm(call, word, Some(name));
    }
    if names.is_empty() {
        confirm(call, word, None);
    }
    note_numbers(call);
    Ok(())
}

/// The reply to one name: the number of subscriptions after it.
fn confirm(call: &mut Call<'_, '_>, word: &str, name: Option<&[u8]>) {
    let replies = &mut call.cx.shared.replies;
    replies.push(3);
    replies.bulk(word.as_bytes());
    match name {
        Some(name) => replies.bulk(name),
        None => replies.null(),
    }
    replies.count(call.client.subscriptions());
}

fn note_numbers(call: &mut Call<'_, '_>) {
    if let Some(profile) = call.cx.shared.clients.get_mut(&call.client.id) {
        profile.channels = call.client.channels.len();
        profile.patterns = call.client.patterns.len();
    }
}

pub(super) fn publish(call: &mut Call<'_, '_>) -> Outcome {
    let (channel, message) = (call.argument(1), call.argument(2));
    let Server {
        channels, replies, ..
    } = &mut *call.cx.shared;
    // A subscriber gets its own message after the replies to its earlier commands.
    if call.client.subscriptions() > 0 {
        replies.send(&mut call.cx.socket);
    }
    let receivers = channels.publish(&mut call.cx.socket.sockets(), channel, message);
    replies.count(receivers);
    Ok(())
}
